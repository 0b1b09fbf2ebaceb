import { linesOf } from "./lines_of.ts";

/** A process that answers each line on its standard input with a line on its standard output. */
export interface LineChild extends AsyncDisposable {
  /** Its first line, which it says unasked; undefined where it could not be started or ended without one. */
  readonly greeting: string | undefined;
  /** Its answer; throws where it has ended. */
  readonly ask: (line: string) => Promise<string>;
}

/** Starts a process and waits for its first line. Disposing closes its input and waits for its end. */
export async function startLineChild(
  command: string,
  args: readonly string[],
  stderr: "null" | "inherit" = "null",
): Promise<LineChild> {
  const child = spawn(command, args, stderr);
  if (child === undefined) return notThere;
  const input = child.stdin.getWriter();
  const lines = linesOf(child.stdout);
  return {
    greeting: (await lines.next()).value,
    ask: async (line) => {
      await input.write(new TextEncoder().encode(line + "\n"));
      const answer = await lines.next();
      if (answer.done) throw new Error(`${command} ended before it answered "${line}"`);
      return answer.value;
    },
    [Symbol.asyncDispose]: async () => {
      await input.close().catch(() => {}); // it may have ended by itself
      await child.status;
    },
  };
}

const notThere: LineChild = {
  greeting: undefined,
  ask: (line) => Promise.reject(new Error(`There is no process to answer "${line}"`)),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

function spawn(
  command: string,
  args: readonly string[],
  stderr: "null" | "inherit",
): Deno.ChildProcess | undefined {
  try {
    return new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr,
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
