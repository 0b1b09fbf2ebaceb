import { stateFingerprint } from "../../codec/state_fingerprint.ts";
import type { StateFingerprint } from "../../core/event.ts";
import type { Device } from "../../ports/device.ts";
import { fingerprintSums } from "../../train/kernels/fingerprint.ts";
import { release, scoped } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import { type Leaf, leavesOf } from "../../train/tree.ts";

/** A state's fingerprint, and the names of the tensors that it is of. */
export interface NamedFingerprint {
  readonly fingerprint: StateFingerprint;
  /** As manifests have them ("model/wte.weight"), in sorted order. */
  readonly tensors: readonly string[];
}

/** The fingerprint of a state, computed on the device. Borrows the state. */
export async function fingerprintState(
  device: Device,
  state: TrainState,
): Promise<NamedFingerprint> {
  const leaves = namedLeaves(state);
  const sums = scoped(() => fingerprintSums(leaves.map(([, leaf]) => leaf)));
  const { data } = await device.read(sums).finally(() => release(sums));
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const tensors = leaves.map(([name]) => name);
  return { fingerprint: stateFingerprint(tensors, words), tensors };
}

function namedLeaves(state: TrainState): readonly Leaf[] {
  return Object.entries(tensorsOf(state))
    .flatMap(([group, tree]) =>
      leavesOf(tree).map(([path, leaf]): Leaf => [`${group}/${path}`, leaf])
    )
    .sort(([a], [b]) => a < b ? -1 : 1);
}
