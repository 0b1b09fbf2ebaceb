import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import { fileEventLog } from "./file_event_log.ts";
import { fileSnapshotStore } from "./file_snapshot_store.ts";

/** A log and a snapshot store in the directory `root`, which is made when something is written. */
export function fileStore(root: string, clock?: Clock): Store {
  return { log: fileEventLog(root, clock), snapshots: fileSnapshotStore(root) };
}
