import type { Snapshot, SnapshotId, SnapshotManifest } from "../../core/snapshot.ts";
import { type StoreRequest, storeSnapshot } from "./store_snapshot.ts";
import { isSystemError } from "../files/system_error.ts";
import { buffersOf } from "./tensor_buffers.ts";
import { answerRequests } from "./thread.ts";

/** What the thread that stores snapshots answers: what it stored, the tensors given back, or why not. */
export type StoreAnswer =
  | {
    readonly type: "Stored";
    readonly id: SnapshotId;
    readonly manifest: SnapshotManifest;
    readonly groups: Snapshot["groups"];
  }
  | { readonly type: "Refused"; readonly reason: string };

answerRequests<StoreRequest, StoreAnswer>(async (request) => {
  try {
    const stored = await storeSnapshot(request);
    const { groups } = request.snapshot;
    return { answer: { type: "Stored", ...stored, groups }, transfer: buffersOf(groups) };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return { answer: { type: "Refused", reason: error.message }, transfer: [] };
  }
});
