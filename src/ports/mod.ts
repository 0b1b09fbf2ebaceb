/** What foldlog needs of the world outside, as types. @module */
export { attempt, type Await, fail } from "./attempt.ts";
export type { BatchSource } from "./batch_source.ts";
export type { Clock } from "./clock.ts";
export type { DataFileError } from "./data_file.ts";
export type { BackendUnavailable, Device } from "./device.ts";
export type { EventLog, Extent, LogContents, LogError, LogWriter, TornTail } from "./event_log.ts";
export { foldOf } from "./fold_log.ts";
export type { Notice, Reporter } from "./reporter.ts";
export type { RunEnv } from "./run_env.ts";
export type { LineFile, LineFileError } from "./line_file.ts";
export type { CodeUnreadable } from "./code_unreadable.ts";
export type {
  Collected,
  LiveObjects,
  ShownSnapshot,
  SnapshotError,
  SnapshotStore,
  StoredSnapshot,
} from "./snapshot_store.ts";
export type { Stopwatch } from "./stopwatch.ts";
export type { SourceError, SourceStore, StoredSources } from "./source_store.ts";
export type { Store } from "./store.ts";
export type { WeightsFile } from "./weights_file.ts";
export { defineTask, type Evaluation, type Task, type TaskSource } from "./task.ts";
