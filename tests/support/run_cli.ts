import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import config from "../../deno.json" with { type: "json" };

/** The tree that is tested. */
export const repository = dirname(fileURLToPath(new URL("../", import.meta.url)));

/** How the command ended, and what it printed on the way. */
export interface CliResult {
  /** 128 + n where signal n ended it, as shells have it. */
  readonly code: number;
  /** The signal that ended it, or null where it ended by itself. */
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A signal to the command at a moment: milliseconds after the one before, a text it printed, or a state of the world. */
export interface Kill {
  readonly signal: "SIGKILL" | "SIGINT" | "SIGTERM";
  readonly when: number | RegExp | (() => boolean);
  /** Milliseconds between the moment and the signal; none unless given. */
  readonly delay?: number;
}

/** How the command is run. */
export interface CliOptions {
  /** In addition to this process's environment, from which foldlog's own variables are taken out. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Sent one after the other; those whose moment does not come before the end are not sent. */
  readonly kills?: readonly Kill[];
  /** Milliseconds after which the command is killed and the call rejects; a minute unless given. */
  readonly timeout?: number;
}

/** Runs `foldlog ARGS` as a process of its own, with the permissions that the task in deno.json names. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const [program, ...before] = commandLine();
  const child = new Deno.Command(program!, {
    args: [...before, ...args],
    cwd: options.cwd ?? repository,
    env: environmentWith(options.env),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return await follow(child, `foldlog ${args.join(" ")}`, options);
}

/** Whether util-linux's `script` is there, which lends the command a terminal. */
export const terminalAvailable: boolean = hasScript();

/** Keys to press once a text has been printed. */
export interface Answer {
  readonly when: RegExp;
  readonly type: string;
}

/** What a command on a terminal is told, in order. */
export interface TerminalOptions extends Omit<CliOptions, "kills"> {
  readonly answers?: readonly Answer[];
  /** A file for its standard output in place of the terminal. */
  readonly outputTo?: string;
}

/** Runs `foldlog ARGS` on a terminal of its own: all it prints is in `stdout`, without control codes. */
export async function runCliOnTerminal(
  args: readonly string[],
  options: TerminalOptions = {},
): Promise<CliResult> {
  const to = options.outputTo === undefined ? "" : ` >${quoted(options.outputTo)}`;
  const command = [...commandLine(), ...args].map(quoted).join(" ") + to;
  const child = new Deno.Command("script", {
    args: ["-qec", `stty cols 120 rows 40; exec ${command}`, "/dev/null"],
    cwd: options.cwd ?? repository,
    env: { ...environmentWith(options.env), TERM: "xterm", SHELL: "/bin/sh" },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const keys = child.stdin.getWriter();
  const waiting = [...options.answers ?? []];
  const result = await follow(child, `foldlog ${args.join(" ")}`, options, async (printed) => {
    if (waiting[0]?.when.test(stripVTControlCharacters(printed))) {
      await keys.write(new TextEncoder().encode(waiting.shift()!.type));
    }
  });
  await keys.close().catch(() => undefined); // the terminal may be gone already
  return { ...result, stdout: stripVTControlCharacters(result.stdout).replaceAll("\r\n", "\n") };
}

/** The program and its arguments up to the verb. */
export function commandLine(): readonly string[] {
  const [deno, ...rest] = config.tasks.foldlog.command.split(/\s+/);
  const main = rest.pop();
  if (deno !== "deno" || rest[0] !== "run" || main === undefined) {
    throw new Error(`Expected the task "foldlog" to be "deno run ... FILE"`);
  }
  return [Deno.execPath(), ...rest, join(repository, main)];
}

/** Milliseconds between two looks at whether a moment has come. */
const LOOK_EVERY = 2;

/** Collects what a process prints, sends its signals, and waits for its end. */
async function follow(
  child: Deno.ChildProcess,
  name: string,
  { kills = [], timeout = 60_000 }: CliOptions,
  onLook: (printed: string) => Promise<void> = () => Promise.resolve(),
): Promise<CliResult> {
  const printed = { stdout: "", stderr: "" };
  const reading = Promise.all([
    collect(child.stdout, (text) => printed.stdout += text),
    collect(child.stderr, (text) => printed.stderr += text),
  ]);
  let ended = false;
  const status = child.status.finally(() => ended = true);
  const startedAt = performance.now();
  const waiting = [...kills];
  let since = startedAt;
  let cameAt: number | undefined;
  let timedOut = false;
  while (!ended) {
    await Promise.race([status, new Promise((resolve) => setTimeout(resolve, LOOK_EVERY))]);
    await onLook(printed.stdout + printed.stderr);
    const [kill] = waiting;
    if (kill !== undefined) {
      if (hasCome(kill, performance.now() - since, printed)) cameAt ??= performance.now();
      if (cameAt !== undefined && performance.now() - cameAt >= (kill.delay ?? 0)) {
        send(child, kill.signal);
        waiting.shift();
        since = performance.now();
        cameAt = undefined;
      }
    }
    if (performance.now() - startedAt > timeout && !timedOut) {
      timedOut = true;
      send(child, "SIGKILL");
    }
  }
  await reading;
  const { code, signal } = await status;
  if (timedOut) {
    throw new Error(
      `\`${name}\` had not ended after ${timeout} ms and was killed; it printed:\n` +
        printed.stdout + printed.stderr,
    );
  }
  return { code, signal, ...printed };
}

function hasCome(
  { when }: Kill,
  elapsed: number,
  printed: { readonly stdout: string; readonly stderr: string },
): boolean {
  if (typeof when === "number") return elapsed >= when;
  if (typeof when === "function") return when();
  return when.test(printed.stdout) || when.test(printed.stderr);
}

function send(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended by itself meanwhile
  }
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  add: (text: string) => void,
): Promise<void> {
  for await (const text of stream.pipeThrough(new TextDecoderStream())) add(text);
}

/** The environment of a command: this process's without foldlog's own variables, and what is added. */
export function environmentWith(
  added: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { FOLDLOG_RUNS: _, FOLDLOG_BACKEND: __, ...inherited } = Deno.env.toObject();
  return { ...inherited, NO_COLOR: "1", ...added };
}

function hasScript(): boolean {
  try {
    const { success, stdout } = new Deno.Command("script", { args: ["--version"] }).outputSync();
    return success && new TextDecoder().decode(stdout).includes("util-linux");
  } catch {
    return false;
  }
}

/** As one word of a POSIX shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
