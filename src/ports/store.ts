import type { EventLog } from "./event_log.ts";
import type { SnapshotStore } from "./snapshot_store.ts";
import type { SourceStore } from "./source_store.ts";

/** Where runs are kept: their logs, and the snapshots and sources that the logs name. */
export interface Store {
  readonly log: EventLog;
  readonly snapshots: SnapshotStore;
  readonly sources: SourceStore;
}
