import { modelDisk } from "./crash_model.ts";
import { type Loss, lossesIn } from "./model_loss.ts";
import type { OperationName } from "./operations.ts";
import { type Group, groupsOf, sitesOf } from "./sites.ts";
import { SEED } from "./strike.ts";
import { runTraced } from "./traced.ts";
import type { Workbench } from "./workbench.ts";

/** What an operation does when nothing happens to it. */
export interface Observed {
  /** Its calls on the store, by what can be aimed at. */
  readonly groups: readonly Group[];
  /** What would be left if the power went, at each moment. */
  readonly losses: readonly Loss[];
  /** From where to where it wrote in each of the files that it wrote to, in bytes. */
  readonly written: readonly Range[];
}

/** Bytes of a file, the end not included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Does an operation once, without a fault. */
export async function observe(bench: Workbench, operation: OperationName): Promise<Observed> {
  const root = await bench.fresh(operation);
  const disk = modelDisk(root);
  const { how, stderr, calls } = await runTraced(root, operation, { seed: SEED, reads: true });
  if (how !== "done") throw new Error(`Without a fault, ${operation} ${how}: ${stderr}`);
  const groups = groupsOf(sitesOf(calls, root, operation));
  const losses = lossesIn(disk, calls, root, operation);
  const written = groups.flatMap((group) => rangeOf(group, root));
  await Deno.remove(root, { recursive: true });
  return { groups, losses, written };
}

/** What is written is at the end of its file, or was given another name since and is all of it. */
function rangeOf({ sites, path }: Group, root: string): readonly Range[] {
  const bytes = sites.reduce((sum, { call }) => sum + (call.data?.length ?? 0), 0);
  if (bytes === 0) return [];
  const to = sizeOf(`${root}/${path}`) ?? bytes;
  return [{ from: Math.max(0, to - bytes), to }];
}

function sizeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
