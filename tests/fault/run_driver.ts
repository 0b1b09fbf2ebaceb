import { fileURLToPath } from "node:url";
import type { Digest } from "../../src/core/digest.ts";
import type { OperationName } from "./operations.ts";

/** An event that the log said is durable. */
export interface Acknowledged {
  readonly position: number;
  readonly digest: Digest;
}

/** How a driver ended, and what it had been told by then. */
export interface Ending {
  /** "done" and "refused" are ends of its own: the second with a sentence that says why. */
  readonly how: "done" | "refused" | "killed" | "crashed" | "hung";
  readonly acknowledged: readonly Acknowledged[];
  readonly stderr: string;
}

/** How a driver is run. */
export interface DriverOptions {
  /** A command that runs it, such as `strace -f`. */
  readonly under?: readonly string[];
  /** Modules that are loaded before it. */
  readonly preload?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Of its random numbers: with the same ones, its temporary files have the same names. */
  readonly seed?: number;
}

/** Seconds after which a driver, which takes one or two, is taken for hung. */
const PATIENCE = 60;

/** Kills what it runs when it hangs. Strace does not: what it traces goes on when it is killed itself. */
export const IMPATIENT = ["timeout", "--foreground", "--signal=KILL", `${PATIENCE}`] as const;

const KILLED = 128 + 9;

/** Runs an operation on the store `root` in a process of its own. */
export async function runDriver(
  root: string,
  operation: OperationName,
  { under = [], preload = [], env = {}, seed }: DriverOptions = {},
): Promise<Ending> {
  const [program, ...args] = [
    ...under,
    ...[Deno.execPath(), "run", "--no-prompt", "--allow-read", "--allow-write", "--allow-env"],
    ...preload.map((module) => `--preload=${module}`),
    ...(seed === undefined ? [] : [`--seed=${seed}`]),
    fileURLToPath(new URL("driver.ts", import.meta.url)),
    root,
    operation,
  ];
  const startedAt = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const printed = new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr);
  const late = performance.now() - startedAt >= 1000 * PATIENCE;
  return { how: howEnded(code, said, late), acknowledged: acknowledgedIn(printed), stderr: said };
}

function howEnded(code: number, stderr: string, late: boolean): Ending["how"] {
  if (code === KILLED) return late ? "hung" : "killed";
  if (code === 0) return "done";
  return code === 2 && stderr.trim() !== "" && !/Uncaught|panicked/.test(stderr)
    ? "refused"
    : "crashed";
}

/**
 * The events in what a driver printed. A last line that was cut short is none: its process was killed
 * while it printed.
 */
export function acknowledgedIn(printed: string): readonly Acknowledged[] {
  return printed.split("\n").slice(0, -1).map((line) => {
    const [, position, digest] = /^durable (\d+) ([0-9a-f]{64})$/.exec(line) ?? [];
    if (digest === undefined) throw new Error(`Expected an acknowledged event, found "${line}"`);
    return { position: Number(position), digest };
  });
}
