import { join } from "node:path";
import type { Printed } from "./foldlog_here.ts";
import { commandLine, environmentWith, repository } from "./run_cli.ts";

/** A command, as the process that carries it out is told of it. */
export interface CliRequest {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A process for commands. */
export interface Cli {
  /**
   * Carries out `foldlog ARGS` after those before, in a directory and with variables in addition to this
   * process's. A wrong command line, too, ends with 2 and not the process.
   */
  readonly run: (
    args: readonly string[],
    options?: Partial<Pick<CliRequest, "cwd" | "env">>,
  ) => Promise<Printed>;
  readonly close: () => Promise<void>;
}

/** Milliseconds after which a command has failed. */
const PATIENCE = 300_000;

/**
 * Starts a process that carries out one command after another, with the permissions that the task in deno.json
 * names: a tenth of a second for each in place of the second that a process takes. It has no terminal.
 *
 * Where the process is the claim (signals, terminals, locks of another, what a process does at its end),
 * `runCli()` starts one for the command alone. To be opened outside of tests, whose end would wait for it.
 */
export function openCli(): Cli {
  const [program, ...before] = commandLine();
  const child = new Deno.Command(program!, {
    args: [...before.slice(0, -1), join(repository, "tests/support/serve_cli.ts")],
    cwd: repository,
    env: environmentWith(),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const requests = child.stdin.getWriter();
  const stdout = untilMark(child.stdout, /\0(\d+)\n$/);
  const stderr = untilMark(child.stderr, /\0$/);

  async function carriedOut(request: CliRequest): Promise<Printed> {
    const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    try {
      await requests.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
      const [[printed, code], [said]] = await Promise.all([stdout.next(), stderr.next()]);
      return { code: Number(code), stdout: printed, stderr: said };
    } catch (error) {
      throw new Error(`\`foldlog ${request.args.join(" ")}\` ended its process`, { cause: error });
    } finally {
      clearTimeout(late);
    }
  }

  let last: Promise<unknown> = Promise.resolve();
  return {
    run: (args, { cwd = repository, env = {} } = {}) => {
      const next = last.then(() => carriedOut({ args, cwd, env }));
      last = next.catch(() => undefined);
      return next;
    },
    close: async () => {
      await requests.close().catch(() => undefined); // it may have ended
      await Promise.allSettled([stdout.next(), stderr.next(), child.status]);
    },
  };
}

/** Texts of a stream up to each mark, with what the mark names. */
function untilMark(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  mark: RegExp,
): { readonly next: () => Promise<readonly [text: string, named: string | undefined]> } {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  return {
    next: async () => {
      let text = "";
      while (true) {
        const found = mark.exec(text);
        if (found) return [text.slice(0, found.index), found[1]];
        const { done, value } = await reader.read();
        if (done) throw new Error(`expected ${mark}, found the end of: ${text}`);
        text += value;
      }
    },
  };
}
