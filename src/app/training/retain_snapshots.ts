import * as E from "fp-ts/Either.js";
import { judge, type RetentionPolicy } from "../../core/retention_policy.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { attempt } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import { collectGarbage, liveObjects } from "../upkeep/collect_garbage.ts";
import { describeError } from "../errors/describe_error.ts";
import type { RunError } from "../errors/errors.ts";
import type { Loop } from "./step_loop.ts";

/** What a training keeps of its snapshots. */
export interface Retention {
  readonly policy: RetentionPolicy;
  /** The snapshot that the training was resumed from, which is kept as long as it lasts. */
  readonly resumedFrom?: SnapshotId;
}

/**
 * The policy of a training, once all that its prunings depend on was found right: every log of the
 * store is read and checked in whole, once. Where one is damaged nothing is pruned, which is reported
 * and never stops a training.
 */
export async function checkedPolicy(
  { store, reporter }: RunEnv,
  policy: RetentionPolicy | undefined,
): Promise<RetentionPolicy | undefined> {
  if (policy === undefined) return undefined;
  const live = await liveObjects(store)();
  if (E.isRight(live)) return policy;
  reporter?.report({ type: "NothingPruned", reason: describeError(live.left) });
  return undefined;
}

/** The retention of a loop, where it has a policy. */
export function retentionOf(
  policy: RetentionPolicy | undefined,
  resumedFrom?: SnapshotId,
): Pick<Loop, "retention"> {
  if (policy === undefined) return {};
  return { retention: { policy, ...(resumedFrom && { resumedFrom }) } };
}

/**
 * Prunes what the loop's retention does not want, after a snapshot was stored: events first, then the
 * view, then the bytes. Space that cannot be freed is reported and never stops a training.
 */
export async function retainSnapshots(loop: Loop): Promise<void> {
  const { env, run, recorder, retention } = loop;
  if (retention === undefined) return;
  const { policy, resumedFrom } = retention;
  const kept = recorder.state().snapshots;
  const newest = kept.at(-1)?.snapshot;
  const pruned = judge(kept, policy, {
    readable: (id) => id === newest, // it was stored just now
    ...(resumedFrom && { needed: new Map([[resumedFrom, ["resumed from"]]]) }),
  }).filter(({ reasons }) => reasons.length === 0).map(({ snapshot }) => snapshot);
  if (pruned.length === 0) return;
  const snapshots = pruned.map(({ snapshot }) => snapshot);
  await recorder.record({ type: "PruneSnapshots", data: { snapshots } });
  await recorder.flush();
  const freed = await attempt<RunError, void>(async (get) => {
    for (const { step } of pruned) await get(env.store.snapshots.hide(run, step));
    await get(collectGarbage(env.store, { extent: "recent" })); // the whole was checked before
  })();
  if (E.isRight(freed)) return;
  env.reporter?.report({ type: "NothingFreed", reason: describeError(freed.left) });
}
