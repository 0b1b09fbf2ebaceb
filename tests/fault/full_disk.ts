import { isCut } from "./short_write.ts";
import { makeRoom, mountMemory } from "./mounts.ts";
import type { OperationName } from "./operations.ts";
import { sitesOf } from "./sites.ts";
import { runTraced } from "./traced.ts";
import type { Trial } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

/** What is left on a disk: pages of 4 KiB for bytes, or names of files. */
export type Room = { readonly pages: number } | { readonly names: number };

/**
 * Does an operation on a file system in memory with so much room beyond what its store takes already.
 * It is gone in the middle: a write is refused, or cut at the end of a page and then refused. What was
 * being done says the row.
 */
export async function fillDisk(
  bench: Workbench,
  operation: OperationName,
  room: Room,
): Promise<Trial> {
  const directory = await Deno.makeTempDir({ dir: bench.directory, prefix: "memory-" });
  const memory = await mountMemory(`${directory}/full`, await sizeFor(bench, operation, room));
  const root = `${memory.directory}/runs`;
  await bench.lay(operation, root);
  const { calls, ...ending } = await runTraced(root, operation, {});
  const full = sitesOf(calls, root, operation).find(({ call }) =>
    call.error === "ENOSPC" || isCut(call)
  );
  await makeRoom(memory);
  const verdict = await bench.judge(root, operation, ending, true);
  await memory.unmount();
  await Deno.remove(directory, { recursive: true });
  const where = full === undefined
    ? "never full"
    : `${isCut(full.call) ? "cut" : "full"} at ${full.call.variant} of ${full.path}`;
  return {
    row: full?.row ?? "open",
    column: full !== undefined && isCut(full.call) ? "short write" : "ENOSPC",
    means: "full tmpfs",
    what: `${operation}: ${JSON.stringify(room)} left, ${where}`,
    verdict,
    struck: full !== undefined,
  };
}

/** Mount options for a file system that has this room left when the operation's store is on it. */
async function sizeFor(
  bench: Workbench,
  operation: OperationName,
  room: Room,
): Promise<string> {
  const root = await bench.fresh(operation);
  const { pages, names } = usedBy(root, new Set());
  await Deno.remove(root, { recursive: true });
  return "pages" in room
    ? `size=${4 * (pages + room.pages)}k,nr_inodes=10000`
    : `size=64m,nr_inodes=${1 + names + room.names}`;
}

/** Pages and names that a tree takes: the bytes of a file of two names are there once. */
function usedBy(path: string, seen: Set<number>): Used {
  const { isDirectory, size, ino } = Deno.lstatSync(path);
  const known = seen.has(ino!);
  seen.add(ino!);
  if (!isDirectory) return { pages: known ? 0 : Math.ceil(size / 4096), names: 1 };
  return [...Deno.readDirSync(path)].map(({ name }) => usedBy(`${path}/${name}`, seen)).reduce(
    (a, b) => ({ pages: a.pages + b.pages, names: a.names + b.names }),
    { pages: 0, names: 1 },
  );
}

interface Used {
  readonly pages: number;
  readonly names: number;
}
