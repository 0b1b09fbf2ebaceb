import * as E from "fp-ts/Either.js";
import { leafDigests, stateDigest } from "../codec/snapshot_codec.ts";
import type { Digest } from "../core/digest.ts";
import type { Snapshot, TensorGroup } from "../core/snapshot.ts";
import { fail } from "../ports/attempt.ts";
import type { Device } from "../ports/device.ts";
import { release } from "../train/ownership.ts";
import { restoreTree } from "../train/restore.ts";
import {
  stateOfTensors,
  tensorsOf,
  type TensorTrees,
  type TrainState,
} from "../train/train_state.ts";
import { leavesOf, type Tree } from "../train/tree.ts";
import type { RunError } from "./errors.ts";
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
  const groups = Object.entries(tensorsOf(state)).map(async ([name, tree]) =>
    [name, await readTree(device, tree, reuse[name])] as const
  );
  return { ...about, step: state.step, groups: Object.fromEntries(await Promise.all(groups)) };
}

/** The digest of a snapshot's tensors: what SnapshotTaken and RunStarted record of a state. */
export function digestOfState(snapshot: Snapshot): Digest {
  return stateDigest(leafDigests(snapshot.groups));
}

/** The state that a snapshot holds, which the caller owns. Fails with StateDiffers where it is another model's. */
export function stateOf(plan: Plan, snapshot: Snapshot): TrainState {
  const { step, groups } = snapshot;
  const template = initialStateOf(plan);
  const trees: Record<string, Tree> = {};
  try {
    const expected = tensorsOf(template);
    const extra = Object.keys(groups).find((name) => !Object.hasOwn(expected, name));
    if (extra !== undefined) refuse(step, `expected no group "${extra}", found one`);
    for (const [name, tree] of Object.entries(expected)) {
      const restored = restoreTree<Tree>(tree, groups[name] ?? new Map());
      if (E.isLeft(restored)) refuse(step, restored.left);
      else trees[name] = restored.right;
    }
  } catch (error) {
    Object.values(trees).forEach((tree) => release(tree));
    throw error;
  } finally {
    release(tensorsOf(template));
  }
  return stateOfTensors(step, trees as TensorTrees);
}

function refuse(step: number, reason: string): never {
  return fail({ type: "StateDiffers", step, reason } satisfies RunError);
}

/** Asks for all leaves at once: a GPU answers each in a round trip of its own. */
async function readTree(device: Device, tree: Tree, reuse?: TensorGroup): Promise<TensorGroup> {
  const reads = leavesOf(tree).map(async ([path, leaf]) =>
    [path, await device.read(leaf, reuse?.get(path))] as const
  );
  return new Map(await Promise.all(reads));
}
