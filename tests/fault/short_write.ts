import type { OperationName } from "./operations.ts";
import { type Site, sitesOf } from "./sites.ts";
import { runTraced } from "./traced.ts";
import type { Trial } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

/**
 * Does an operation where no file may grow beyond so many bytes (RLIMIT_FSIZE): the system writes as
 * much as fits, says how much that was, and refuses the rest with EFBIG.
 */
export async function limitFiles(
  bench: Workbench,
  operation: OperationName,
  bytes: number,
): Promise<Trial> {
  const root = await bench.fresh(operation);
  // A process that does not ignore the signal is killed by it.
  const under = ["sh", "-c", `trap "" XFSZ; exec prlimit --fsize=${bytes} "$@"`, "sh"];
  const { calls, ...ending } = await runTraced(root, operation, { under });
  const cut = sitesOf(calls, root, operation).find(({ call }) => isCut(call));
  const verdict = await bench.judge(root, operation, ending, true);
  await Deno.remove(root, { recursive: true });
  const where = cut === undefined
    ? "nothing cut"
    : `${cut.call.result} of ${cut.call.data!.length} bytes written to ${cut.path}`;
  return {
    row: cut?.row ?? "open",
    column: "short write",
    means: "file size limit",
    what: `${operation}: ${where}`,
    verdict,
    struck: cut !== undefined,
  };
}

/**
 * Does an operation where each write takes `bytes` bytes at most and says so: the rest has to be
 * written again. The process's own FsFile.write is replaced, below everything of foldlog.
 */
export async function shortenWrites(
  bench: Workbench,
  operation: OperationName,
  bytes: number,
): Promise<readonly Trial[]> {
  const root = await bench.fresh(operation);
  const preload = [new URL("short_file_writes.ts", import.meta.url).href];
  const env = { FOLDLOG_FAULT_WRITE_BYTES: `${bytes}` };
  const { calls, ...ending } = await runTraced(root, operation, { preload, env });
  const written = sitesOf(calls, root, operation).filter(({ call }) => call.data !== undefined);
  const verdict = await bench.judge(root, operation, ending, false);
  await Deno.remove(root, { recursive: true });
  const rows = Map.groupBy(written, ({ row }) => row);
  return [...rows].map(([row, sites]) => ({
    row,
    column: "short write",
    means: "short FsFile.write",
    what: `${operation}: ${bytes} bytes at most in each of ${sites.length} writes`,
    verdict,
    struck: sites.every(({ call }) => call.data!.length <= bytes),
  }));
}

/** Whether a write took less than it was given, and said so. */
export function isCut({ data, result = -1 }: Site["call"]): boolean {
  return data !== undefined && result >= 0 && result < data.length;
}
