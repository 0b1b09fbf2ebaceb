import { fileStore } from "../adapters/file_store.ts";
import { collectGarbage } from "../app/upkeep/collect_garbage.ts";
import type { Collected } from "../ports/snapshot_store.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { missingDirectory, orExit, printJson, runsDirectory } from "./context.ts";
import { UsageError } from "./usage_error.ts";

/** Removes what no run of the store needs any more. */
export async function run(args: ArgumentsOf<"gc">): Promise<number> {
  const { dryRun } = args;
  const root = runsDirectory(args.runs);
  const missing = await missingDirectory(root);
  if (missing !== undefined) throw new UsageError(missing);
  const collected = await orExit(collectGarbage(fileStore(root), { dryRun }));
  if (args.json) printJson({ dryRun, ...collected });
  else console.log(`${root}: ${freed(collected, dryRun)}`);
  return 0;
}

/** What a collection freed, for people. */
export function freed({ objects, bytes }: Collected, dryRun: boolean): string {
  if (objects === 0) return "nothing to free";
  const what = `${objects} ${objects === 1 ? "object" : "objects"} of ${bytes} bytes`;
  return `${what} ${dryRun ? "would be freed" : "freed"}`;
}
