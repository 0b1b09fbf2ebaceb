/** Exit status of a run that a signal paused, as shells have it for Ctrl+C. */
export const INTERRUPTED = 130;

/**
 * A signal that Ctrl+C (SIGINT) or SIGTERM aborts: the step in hand is finished and saved. A second
 * one ends the process at once, which loses nothing that the log acknowledged.
 */
export function stopSignals(say: (line: string) => void): {
  readonly signal: AbortSignal;
  readonly dispose: () => void;
} {
  const controller = new AbortController();
  function onSignal(): void {
    if (controller.signal.aborted) Deno.exit(INTERRUPTED);
    controller.abort();
    say("stopping after this step; once more to stop now");
  }
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return {
    signal: controller.signal,
    dispose: () => signals.forEach((signal) => Deno.removeSignalListener(signal, onSignal)),
  };
}
