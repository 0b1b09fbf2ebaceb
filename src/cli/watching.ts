/** Milliseconds between two looks at a log. */
const LOOK_EVERY = 250;

/** Somebody who watches at a terminal, until Ctrl+C. */
export interface Watching {
  /** Resolves after a while: to false as soon as Ctrl+C was pressed. */
  readonly wait: () => Promise<boolean>;
  readonly dispose: () => void;
}

/** Begins to watch: Ctrl+C and SIGTERM end the watch, and no more than that. */
export function watching(): Watching {
  let ended = false;
  let wake = () => {};
  function onSignal(): void {
    ended = true;
    wake();
  }
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return {
    wait: async () => {
      if (ended) return false;
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        timer = setTimeout(resolve, LOOK_EVERY);
      });
      clearTimeout(timer);
      return !ended;
    },
    dispose: () => signals.forEach((signal) => Deno.removeSignalListener(signal, onSignal)),
  };
}

/** Writes to standard output; false where nobody reads it any more. */
export async function written(text: string): Promise<boolean> {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}

/** What is said where there is no such run yet. */
export function waitingFor(run: string): string {
  return `There is no run "${run}" yet: waiting for it. Ctrl+C ends that.`;
}
