import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import { memoryEventLog } from "./memory_event_log.ts";
import { memorySnapshotStore } from "./memory_snapshot_store.ts";

/** A log and a snapshot store in memory. */
export function memoryStore(clock?: Clock): Store {
  return { log: memoryEventLog(clock), snapshots: memorySnapshotStore() };
}
