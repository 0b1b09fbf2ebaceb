import { type ModelDisk, modelDisk, SURVIVORS, type Survivors } from "./crash_model.ts";
import type { OperationName } from "./operations.ts";
import { type Acknowledged, acknowledgedIn } from "./run_driver.ts";
import { type Row, sitesOf, subjectOf } from "./sites.ts";
import type { SystemCall } from "./system_calls.ts";
import { runTraced } from "./traced.ts";
import { fingerprint, plant, type Tree, treeAt } from "./tree.ts";
import type { Trial } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

/** A moment at which the power may go: what is on the disk then, and what was acknowledged. */
export interface Loss {
  readonly row: Row;
  readonly what: string;
  readonly means: "model" | "killed, then model";
  readonly tree: Tree;
  readonly acknowledged: readonly Acknowledged[];
}

/** Loses the power at moments of an operation, and judges what a model of a disk has left then. */
export async function judgeLosses(
  bench: Workbench,
  operation: OperationName,
  losses: readonly Loss[],
): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (const { row, what, means, tree, acknowledged } of losses) {
    const root = await Deno.makeTempDir({ dir: bench.directory, prefix: "lost-" });
    plant(tree, `${root}/runs`);
    const ending = { how: "killed", acknowledged, stderr: "" } as const;
    const verdict = await bench.judge(`${root}/runs`, operation, ending, false);
    await Deno.remove(root, { recursive: true });
    trials.push({ row, column: "power loss", means, what, verdict, struck: true });
  }
  return trials;
}

/**
 * Every moment of an operation at which what is left, or what was acknowledged, is not as it was at the
 * moment before, from the calls of one process that did it in the store `root`, which was `disk`.
 */
export function lossesIn(
  disk: ModelDisk,
  calls: readonly SystemCall[],
  root: string,
  operation: OperationName,
): readonly Loss[] {
  const rows = new Map(sitesOf(calls, root, operation).map(({ call, row }) => [call, row]));
  const losses: Loss[] = [];
  const last = new Map<Survivors, string>();
  replay(disk, calls, root, (call, moment, acknowledged) => {
    const row = rows.get(call);
    if (row === undefined) return;
    for (const survivors of SURVIVORS) {
      const tree = disk.surviving(survivors);
      const print = `${acknowledged.length} ${fingerprint(tree)}`;
      if (last.get(survivors) === print) continue;
      last.set(survivors, print);
      const where = `${call.variant} of ${subjectOf(call, root)}`;
      const what = `${operation}: power lost ${moment} ${where}, ${survivors} left`;
      losses.push({ row, what, means: "model", tree, acknowledged });
    }
  });
  if (!isModelOf(disk, root)) throw new Error(`The model of the disk is wrong after ${operation}`);
  return losses;
}

/**
 * Kills an operation at the `nth` call of a thread of this kind, has a new process do it again, and
 * loses the power when that has acknowledged something: what the first left unsynced, the second may
 * take for durable. Undefined where the process ended before it was killed.
 */
export async function lossesAfterKill(
  bench: Workbench,
  operation: OperationName,
  variant: string,
  nth: number,
): Promise<readonly Loss[] | undefined> {
  const root = await bench.fresh(operation);
  const disk = modelDisk(root);
  const injection = { kind: "kill" } as const;
  const first = await runTraced(root, operation, {}, { target: { variant, nth }, injection });
  if (first.how !== "killed") return undefined;
  const before = replay(disk, first.calls, root);
  const site = sitesOf(first.calls, root, operation).find(({ call }) => call === first.struck);
  // Another thread was in a call too: nobody can tell whether it was done.
  if (site === undefined || !isModelOf(disk, root)) return [];
  const second = await runTraced(root, operation, {});
  const { how, stderr } = second;
  if (how !== "done") throw new Error(`Done again, ${operation} ${how}: ${stderr}`);
  const losses: Loss[] = [];
  let count = 0;
  replay(disk, second.calls, root, (_, __, acknowledged) => {
    if (acknowledged.length === count) return;
    count = acknowledged.length;
    losses.push({
      row: site.row,
      what: `${operation}: killed at ${variant} of ${site.path}, done again, power lost after ` +
        `${count} events`,
      means: "killed, then model",
      tree: disk.surviving("what was synced"),
      acknowledged: [...before, ...acknowledged],
    });
  });
  if (!isModelOf(disk, root)) throw new Error(`The model of the disk is wrong after ${operation}`);
  await Deno.remove(root, { recursive: true });
  return losses;
}

/** Does what the calls of a trace did; tells at each moment, and gives, what had been acknowledged. */
function replay(
  disk: ModelDisk,
  calls: readonly SystemCall[],
  root: string,
  onMoment: (
    call: SystemCall,
    moment: "in" | "after",
    acknowledged: readonly Acknowledged[],
  ) => void = () => undefined,
): readonly Acknowledged[] {
  let acknowledged: readonly Acknowledged[] = [];
  for (const { call, returns } of momentsOf(calls)) {
    if (subjectOf(call, root) === undefined) {
      if (!returns) acknowledged = [...acknowledged, ...printedBy(call)];
      continue;
    }
    if (returns) disk.leave(call);
    else disk.enter(call);
    onMoment(call, returns ? "after" : "in", acknowledged);
  }
  return acknowledged;
}

/** Each call twice, where it is entered and where it returns, in the order in which that was. */
function momentsOf(
  calls: readonly SystemCall[],
): readonly { readonly call: SystemCall; readonly returns: boolean }[] {
  return calls.flatMap((call) => [
    { call, returns: false, at: call.entered },
    { call, returns: true, at: call.returned + 0.5 },
  ]).sort((a, b) => a.at - b.at);
}

function isModelOf(disk: ModelDisk, root: string): boolean {
  return fingerprint(disk.visible()) === fingerprint(treeAt(root));
}

function printedBy({ data }: SystemCall): readonly Acknowledged[] {
  return data === undefined ? [] : acknowledgedIn(new TextDecoder().decode(data));
}
