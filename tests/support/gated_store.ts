import * as E from "fp-ts/Either.js";
import type { SnapshotError, SnapshotStore } from "../../src/ports/snapshot_store.ts";
import type { Store } from "../../src/ports/store.ts";

/** What a gate lets happen to the put of the snapshot of `step`, when it is time. */
export type Gate = (step: number) => Promise<SnapshotError | undefined>;

/** `store`, where every put waits for the gate, and fails where the gate says so. */
export function gatedStore(store: Store, gate: Gate): Store {
  const put: SnapshotStore["put"] = (run, snapshot) => async () => {
    const failure = await gate(snapshot.step);
    return failure === undefined ? await store.snapshots.put(run, snapshot)() : E.left(failure);
  };
  return { ...store, snapshots: { ...store.snapshots, put } };
}

/** What a store says that is full. */
export const diskFull: SnapshotError = {
  type: "SnapshotsUnavailable",
  action: "store the snapshot",
  place: "runs",
  reason: "No space left on device (os error 28)",
};
