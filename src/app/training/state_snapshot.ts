import * as E from "fp-ts/Either.js";
import { leafDigests, stateDigest } from "../../codec/snapshot_codec.ts";
import type { Digest } from "../../core/digest.ts";
import type { Snapshot, TensorGroup } from "../../core/snapshot.ts";
import { fail } from "../../ports/attempt.ts";
import type { Device } from "../../ports/device.ts";
import { release } from "../../train/ownership.ts";
import { restoreTree } from "../../train/restore.ts";
import {
  tensorsOf,
  type TensorTrees,
  type TrainState,
  withTensors,
} from "../../train/train_state.ts";
import { leavesOf, type Tensor, type Tree } from "../../train/tree.ts";
import type { RunError } from "../errors/errors.ts";
import { inDeviceMemory } from "./in_device_memory.ts";
import { initialStateOf, type Plan } from "./plan.ts";

/** An earlier snapshot whose tensors may be overwritten: their memory, and what was read into it. */
export interface ReadBefore {
  readonly groups: Snapshot["groups"];
  readonly state: TrainState;
}

/**
 * Reads a state back from the device. Borrows the state, and takes over the memory of the snapshot
 * `before`: a tensor that the state before had as well (one that is frozen) is there already and not
 * read again, and the others are read into it.
 *
 * `about` is what else the snapshot says.
 */
export async function snapshotOf(
  device: Device,
  state: TrainState,
  about: Pick<Snapshot, "task" | "cursor" | "history">,
  before?: ReadBefore,
): Promise<Snapshot> {
  const treesBefore: Readonly<Record<string, Tree>> = before ? tensorsOf(before.state) : {};
  const groups = Object.entries(tensorsOf(state)).map(async ([name, tree]) => {
    const memory = before?.groups[name] ?? new Map();
    const known = new Map(leavesOf(treesBefore[name] ?? {}));
    return [name, await readTree(device, tree, memory, known)] as const;
  });
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
    requirePartition(step, expected, groups);
    const extra = Object.keys(groups).find((name) => !Object.hasOwn(expected, name));
    if (extra !== undefined) refuse(step, `expected no group "${extra}", found one`);
    for (const [name, tree] of Object.entries(expected)) {
      const saved = groups[name] ?? new Map();
      const restored = inDeviceMemory(step, () => restoreTree<Tree>(tree, saved));
      if (E.isLeft(restored)) refuse(step, restored.left);
      else trees[name] = restored.right;
    }
    return withTensors({ ...template, step }, trees as TensorTrees);
  } catch (error) {
    Object.values(trees).forEach((tree) => release(tree));
    throw error;
  } finally {
    release(tensorsOf(template));
  }
}

/** Refuses parameters that were trained and are frozen now, or the other way round. */
function requirePartition(
  step: number,
  { model, base = {} }: TensorTrees,
  groups: Snapshot["groups"],
): void {
  const nowFrozen = leavesOf(base).find(([path]) => groups["model"]?.has(path));
  const nowTrained = leavesOf(model).find(([path]) => groups["base"]?.has(path));
  if (nowFrozen) refuse(step, `expected "${nowFrozen[0]}" to be frozen, found that it was trained`);
  if (nowTrained) {
    refuse(step, `expected "${nowTrained[0]}" to be trained, found that it was frozen`);
  }
}

function refuse(step: number, reason: string): never {
  return fail({ type: "StateDiffers", step, reason } satisfies RunError);
}

/**
 * Reads what is not in `memory` already, as `known` says. Asks for all leaves at once: a GPU answers each
 * in a round trip of its own.
 */
async function readTree(
  device: Device,
  tree: Tree,
  memory: TensorGroup,
  known: ReadonlyMap<string, Tensor>,
): Promise<TensorGroup> {
  const reads = leavesOf(tree).map(async ([path, leaf]) => {
    const there = memory.get(path);
    const same = there !== undefined && known.get(path) === leaf;
    return [path, same ? there : await device.read(leaf, there)] as const;
  });
  return new Map(await Promise.all(reads));
}
