import { memorySnapshotStore } from "../../src/adapters/memory/memory_snapshot_store.ts";
import { snapshotStoreContract } from "../../src/testing/snapshot_store_contract.ts";
import { makeStore } from "../support/snapshot_files.ts";

snapshotStoreContract("memorySnapshotStore()", () =>
  Promise.resolve({
    store: memorySnapshotStore(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

for (const compress of ["none", "zstd", "zstd-delta"] as const) {
  snapshotStoreContract(`fileSnapshotStore() with ${compress}`, () => makeStore(compress));
}
