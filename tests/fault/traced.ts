import { type DriverOptions, type Ending, IMPATIENT, runDriver } from "./run_driver.ts";
import type { OperationName } from "./operations.ts";
import { parseSystemCalls, type SystemCall } from "./system_calls.ts";

/** The calls that change files, or make changes durable. */
const CHANGES = [
  ...["open", "write", "pwrite", "writev", "pwritev", "fsync", "fdatasync", "rename", "link"],
  ...["unlink", "mkdir", "rmdir", "ftruncate", "fallocate", "flock", "fchmod"],
];

const READS = ["read", "pread", "getdents"];

/** How a driver is traced. */
export interface TraceOptions extends DriverOptions {
  /** Whether what only reads is shown too: of that there is a lot. */
  readonly reads?: boolean;
}

/** What a system call does in place of its work. */
export type Injection =
  | { readonly kind: "kill" }
  | { readonly kind: "error"; readonly error: "EIO" | "ENOSPC" };

/** Where a fault strikes: the how manieth call of a thread, on a path or on any. */
export interface Target {
  readonly variant: string;
  readonly path?: string;
  readonly nth: number;
}

/** How a driver ended, and its calls on the files of the store. */
export interface Traced extends Ending {
  readonly calls: readonly SystemCall[];
  /** The call that the fault struck, where it did. */
  readonly struck?: SystemCall;
}

/** Runs the driver under strace, and strikes it once at `target` where there is one. */
export async function runTraced(
  root: string,
  operation: OperationName,
  { reads = false, ...options }: TraceOptions,
  strike?: { readonly target: Target; readonly injection: Injection },
): Promise<Traced> {
  const trace = await Deno.makeTempFile();
  try {
    const under = ["strace", "-f", "-y", "-xx", "-qq", "-s", "16384", "-o", trace];
    if (strike?.target.path === undefined) under.push("-e", `trace=${shown(reads)}`);
    if (strike !== undefined) under.push(...strikeArguments(strike));
    under.push(...IMPATIENT, ...options.under ?? []);
    const ending = await runDriver(root, operation, { ...options, under });
    const calls = parseSystemCalls(await Deno.readTextFile(trace)).filter(({ paths, args }) =>
      paths.some((path) => path === root || path.startsWith(`${root}/`)) || args.startsWith("1<")
    );
    const struck = strike &&
      calls.find((call) => isStruck(call, ending, strike.target.variant));
    return { ...ending, calls, ...(struck && { struck }) };
  } finally {
    await Deno.remove(trace);
  }
}

/** What strace is asked to show: any name that such a call has on some machine. */
function shown(reads: boolean): string {
  const names = reads ? [...CHANGES, ...READS] : CHANGES;
  return ["", "at", "at2", "64"].flatMap((ending) => names.map((name) => `?${name}${ending}`))
    .join();
}

function strikeArguments(
  { target: { variant, path, nth }, injection }: {
    readonly target: Target;
    readonly injection: Injection;
  },
): readonly string[] {
  const fault = injection.kind === "kill" ? "signal=KILL" : `error=${injection.error}`;
  const where = `inject=${variant}:${fault}:when=${nth}`;
  if (path === undefined) return ["-e", where];
  // With --seccomp-bpf, which is faster, strace 6.1 does not deliver a signal at the second call or later.
  const faster = injection.kind === "kill" ? [] : ["--seccomp-bpf"];
  return [...faster, "-P", path, "-e", `trace=${variant}`, "-e", where];
}

/** A process that is killed at the entry of a call never returns from it. */
function isStruck({ injected, result, variant }: SystemCall, { how }: Ending, at: string): boolean {
  return injected || (how === "killed" && result === undefined && variant === at);
}
