import * as E from "fp-ts/Either.js";
import { differingLeaves, type PackedSnapshot, packSnapshot } from "../../codec/snapshot_codec.ts";
import type { SnapshotReason, SnapshotTaken } from "../../core/event.ts";
import type { Snapshot } from "../../core/snapshot.ts";
import { fail } from "../../ports/attempt.ts";
import type { TrainState } from "../../train/train_state.ts";
import { describeSnapshotError } from "../errors/describe_error.ts";
import { divergence } from "./recorder.ts";
import { retainSnapshots } from "./retain_snapshots.ts";
import { type ReadBefore, snapshotOf } from "./state_snapshot.ts";
import type { Loop } from "./step_loop.ts";

/**
 * Reads a state back as the snapshot that the run's log would name now. Borrows the state, and takes over
 * the memory of the snapshot before.
 */
export function readSnapshot(
  { env, plan, recorder }: Loop,
  state: TrainState,
  before?: ReadBefore,
): Promise<Snapshot> {
  const { cursor } = recorder.state();
  const about = { task: plan.task.name, cursor, history: recorder.history() };
  return snapshotOf(env.device, state, about, before);
}

/**
 * Stores a snapshot and records it, or records that it could not be stored; takes it over.
 *
 * Only the last snapshot of a plan has to be there: without it the run fails, and does not complete.
 *
 * @returns the snapshot's memory, for the next one, where it came back.
 */
export async function storeSnapshot(
  loop: Loop,
  snapshot: Snapshot,
  reason: SnapshotReason,
): Promise<Snapshot["groups"] | undefined> {
  const { env, run, recorder } = loop;
  const { step } = snapshot;
  await recorder.flush(); // a view never shows a step that the log may lose
  const stored = await env.store.snapshots.put(run, snapshot)();
  if (E.isLeft(stored)) {
    if (reason === "final") return fail(stored.left);
    const message = describeSnapshotError(stored.left);
    await recorder.record({ type: "RecordSnapshotFailure", data: { step, reason, message } });
    env.reporter?.report({ type: "SaveFailed", step, reason: message });
    return undefined;
  }
  const { id, manifest, groups, release } = stored.right;
  try {
    const data = { step, snapshot: id, state: manifest.state, reason };
    await recorder.record({ type: "RecordSnapshot", data });
    await recorder.flush();
  } finally {
    release();
  }
  env.reporter?.report({ type: "Saved", step, snapshot: id });
  await retainSnapshots(loop);
  return groups;
}

/**
 * Compares a recomputed state with the snapshot that the log has of its step, and stores it again where
 * the loop heals: it may be missing or damaged.
 */
export async function compareSnapshot(
  loop: Loop,
  state: TrainState,
  reason: SnapshotReason,
): Promise<void> {
  const { env, run, recorder, get } = loop;
  const recorded = recorder.next();
  const snapshot = await readSnapshot(loop, state);
  const taken = recorded?.type === "SnapshotTaken" ? recorded : undefined;
  const { form, packed } = inFormOf(taken, snapshot);
  const { id, manifest } = packed;
  const data = { step: state.step, snapshot: id, state: manifest.state, reason };
  if (taken !== undefined && taken.data.state !== manifest.state) {
    const before = await env.store.snapshots.manifest(taken.data.snapshot)();
    const leaves = E.isRight(before) ? differingLeaves(before.right.leaves, manifest.leaves) : [];
    fail(divergence(taken, { type: "SnapshotTaken", data }, state.step, leaves));
  }
  await recorder.record({ type: "RecordSnapshot", data });
  if (loop.heals(id)) (await get(env.store.snapshots.put(run, form))).release();
}

/** The snapshot in the form in which the log has it: manifests of format 1 do not name their history. */
function inFormOf(
  taken: SnapshotTaken | undefined,
  snapshot: Snapshot,
): { readonly form: Snapshot; readonly packed: PackedSnapshot } {
  const packed = packSnapshot(snapshot);
  if (taken !== undefined && taken.data.snapshot !== packed.id) {
    const { history: _, ...form } = snapshot;
    const older = packSnapshot(form);
    if (older.id === taken.data.snapshot) return { form, packed: older };
  }
  return { form: snapshot, packed };
}
