import * as E from "fp-ts/Either.js";
import { leafDigests, stateDigest } from "../codec/snapshot_codec.ts";
import type { Digest } from "../core/digest.ts";
import type { Snapshot, TensorGroup } from "../core/snapshot.ts";
import { fail } from "../ports/attempt.ts";
import type { Device } from "../ports/device.ts";
import { release } from "../train/ownership.ts";
import { restoreTree } from "../train/restore.ts";
import { tensorsOf, type TrainState } from "../train/train_state.ts";
import { leavesOf, type Tree } from "../train/tree.ts";
import { initialStateOf, type Plan } from "./plan.ts";

/**
 * Reads a state back from the device. Borrows the state.
 *
 * `about` is what else the snapshot says; `reuse` is memory of an earlier snapshot that may be
 * overwritten.
 */
export async function snapshotOf(
  device: Device,
  state: TrainState,
  about: Pick<Snapshot, "task" | "cursor" | "history">,
  reuse: Snapshot["groups"] = {},
): Promise<Snapshot> {
  const [model, optimizer] = await Promise.all([
    readTree(device, state.params, reuse["model"]),
    readTree(device, state.optimizer, reuse["optimizer"]),
  ]);
  return { ...about, step: state.step, groups: { model, optimizer } };
}

/** The digest of a snapshot's tensors: what SnapshotTaken and RunStarted record of a state. */
export function digestOfState(snapshot: Snapshot): Digest {
  return stateDigest(leafDigests(snapshot.groups));
}

/** The state that a snapshot holds, which the caller owns. Fails with StateDiffers where it is another model's. */
export function stateOf(plan: Plan, snapshot: Snapshot): TrainState {
  const template = initialStateOf(plan);
  const params = restoreTree(template.params, snapshot.groups["model"] ?? new Map());
  const optimizer = restoreTree(template.optimizer, snapshot.groups["optimizer"] ?? new Map());
  release(tensorsOf(template));
  if (E.isRight(params) && E.isRight(optimizer)) {
    return { step: snapshot.step, params: params.right, optimizer: optimizer.right };
  }
  for (const tree of [params, optimizer]) if (E.isRight(tree)) release(tree.right);
  const reason = E.isLeft(params) ? params.left : (optimizer as E.Left<string>).left;
  return fail({ type: "StateDiffers", step: snapshot.step, reason });
}

/** Asks for all leaves at once: a GPU answers each in a round trip of its own. */
async function readTree(device: Device, tree: Tree, reuse?: TensorGroup): Promise<TensorGroup> {
  const reads = leavesOf(tree).map(async ([path, leaf]) =>
    [path, await device.read(leaf, reuse?.get(path))] as const
  );
  return new Map(await Promise.all(reads));
}
