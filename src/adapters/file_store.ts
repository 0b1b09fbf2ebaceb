import { type Durability, everyStep } from "../core/durability.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../ports/store.ts";
import type { Compression } from "./file_objects/compression.ts";
import { fileEventLog } from "./file_log/file_event_log.ts";
import { fileSampleView } from "./file_objects/file_sample_view.ts";
import { fileSnapshotStore } from "./file_objects/file_snapshot_store.ts";
import { fileSourceStore } from "./file_objects/file_source_store.ts";
import { systemClock } from "./system/system_clock.ts";

/** How a store keeps what it is given. None of this changes what is trained, or any digest. */
export interface FileStoreOptions {
  /** When events become durable; "every-step" unless given. */
  readonly durability?: Durability;
  /** Bytes after which a segment of a log is followed by the next; 4 MiB unless given. */
  readonly segmentBytes?: number;
  /** Whether tensors are compressed; "none" unless given. */
  readonly compress?: Compression;
  readonly clock?: Clock;
}

const SEGMENT_BYTES = 4 * 2 ** 20;

/** A log, a snapshot store and a source store in the directory `root`, made when something is written. */
export function fileStore(root: string, options: FileStoreOptions = {}): Store {
  const { durability = everyStep, segmentBytes = SEGMENT_BYTES } = options;
  const { compress = "none", clock = systemClock } = options;
  return {
    log: fileEventLog(root, { durability, segmentBytes, clock }),
    snapshots: fileSnapshotStore(root, { compress }),
    sources: fileSourceStore(root),
    samples: fileSampleView(root),
  };
}
