import type { Clock } from "../../ports/clock.ts";
import type { Store } from "../../ports/store.ts";
import { memoryEventLog } from "./memory_event_log.ts";
import { memoryObjects } from "./memory_objects.ts";
import { memorySampleView } from "./memory_sample_view.ts";
import { memorySnapshotStore } from "./memory_snapshot_store.ts";
import { memorySourceStore } from "./memory_source_store.ts";

/** A log, a snapshot store and a source store in memory. */
export function memoryStore(clock?: Clock): Store {
  const objects = memoryObjects();
  return {
    log: memoryEventLog(clock),
    snapshots: memorySnapshotStore(objects),
    sources: memorySourceStore(objects),
    samples: memorySampleView(),
  };
}
