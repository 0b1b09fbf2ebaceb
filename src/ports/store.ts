import type { EventLog } from "./event_log.ts";
import type { SampleView } from "./sample_view.ts";
import type { SnapshotStore } from "./snapshot_store.ts";
import type { SourceStore } from "./source_store.ts";

/** Where runs are kept: their logs, the snapshots and sources that the logs name, and what people see of them. */
export interface Store {
  readonly log: EventLog;
  readonly snapshots: SnapshotStore;
  readonly sources: SourceStore;
  readonly samples: SampleView;
}
