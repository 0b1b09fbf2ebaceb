/**
 * The pure data of foldlog: events and their fold, commands, config, random numbers, the data cursor,
 * schedules. No I/O, nothing asynchronous.
 *
 * @module
 */
export { checkConfig } from "./check_config.ts";
export {
  CODE_FORMAT,
  type CodeDifference,
  codeDifference,
  type CodeManifest,
} from "./code_manifest.ts";
export type { ResumeWish, RunCommand } from "./command.ts";
export {
  defaultConfig,
  grainOf,
  mergeConfig,
  type OptimizerName,
  type PartialConfig,
  type Precision,
  type RunConfig,
  type ScheduleName,
  scheduleSteps,
  type Settings,
} from "./config.ts";
export {
  changedValues,
  type ConfigChange,
  configChange,
  type ScheduleChoice,
} from "./config_change.ts";
export {
  assign,
  partialConfig,
  type Setting,
  type SettingError,
  settings,
  withSettings,
} from "./config_path.ts";
export { type DataCursor, startOfData } from "./data_cursor.ts";
export { type DataFile, type DataIdentity, isSameData } from "./data_identity.ts";
export { carriedOver, type DataOrder, dataOrder, type DataOrderOptions } from "./data_order.ts";
export { decide, type DecideError } from "./decide.ts";
export { type Digest, isDigest } from "./digest.ts";
export { type Durability, everyStep, parseDurability } from "./durability.ts";
export { type Environment, type EnvironmentChange, environmentChanges } from "./environment.ts";
export {
  type CodeChanged,
  type ConfigChanged,
  type EpochCompleted,
  type EvaluationTaken,
  isComputation,
  isStep,
  isTrainingFact,
  type RunCompleted,
  type RunEvent,
  type RunFailed,
  type RunPaused,
  type RunResumed,
  type RunRewound,
  type RunStarted,
  type SamplesTaken,
  type SnapshotFailed,
  type SnapshotMaterialized,
  type SnapshotPruned,
  type SnapshotReason,
  type SnapshotTaken,
  type StateFingerprint,
  type StepSkipped,
  type StepTaken,
} from "./event.ts";
export { evolve, initialState } from "./evolve.ts";
export { type FileProgress, fileProgress, filesAt, filesName } from "./file_progress.ts";
export { type HistoryFlaw, historyFlaw } from "./history_flaw.ts";
export { bytesOf, type DType, type HostTensor, sizeOf } from "./host_tensor.ts";
export type { Json } from "./json.ts";
export { bothLeftOut, type LeftOut, nothingLeftOut, type PlaceRange } from "./left_out.ts";
export { inversePermutation, permutation, permute } from "./permutation.ts";
export {
  type AbandonedBranch,
  abandonedBranches,
  livePath,
  type PlacedEvent,
  positionAfterStep,
} from "./live_path.ts";
export { type HistoryRow, historyRows } from "./history_rows.ts";
export type { ModelFiles } from "./model_files.ts";
export { lossCurve, type LossPoint, project, type Projection, runState } from "./projection.ts";
export { isMeasureName, type Measures } from "./measures.ts";
export { isSampleName, type SampleFile, sampleNameFlaw, samplesShown } from "./sample_files.ts";
export { EVENT_FORMAT, type RecordedEvent } from "./recorded_event.ts";
export {
  anyOf,
  judge,
  keepBest,
  keepEvery,
  keepLast,
  keepSince,
  type KeptSnapshot,
  type Protection,
  type RetentionPolicy,
  type SnapshotMetric,
  type Verdict,
  type Wanted,
} from "./retention_policy.ts";
export {
  firstStep,
  type ReplaySegment,
  replaySegments,
  segmentsWithin,
  type StepRange,
} from "./replay_segments.ts";
export { bits, foldIn, key, normal, type RngKey, split, uniform } from "./rng_key.ts";
export { type BadRunId, parseRunId, type RunId } from "./run_id.ts";
export type {
  OriginInFile,
  OriginInRun,
  ParentState,
  RunOrigin,
  WeightsName,
  WeightsSource,
} from "./run_origin.ts";
export { parsePlace, PLACE_NAMES, type RunPlace, stepOfPlace } from "./run_place.ts";
export {
  type EvaluationAt,
  factsOf,
  keptSnapshots,
  type LossAt,
  ownSteps,
  type RunFacts,
  type RunState,
  type RunStatus,
  type SnapshotRef,
} from "./run_state.ts";
export { type RunSummary, runSummary } from "./run_summary.ts";
export { chanceOfCatching, type Draw, sampleOf } from "./sample.ts";
export {
  isSaveDue,
  type SavePolicy,
  savePolicy,
  savesByTime,
  type SaveTimes,
} from "./save_policy.ts";
export {
  constant,
  cosineDecay,
  joinSchedules,
  linearWarmup,
  type Schedule,
  stepDecay,
  warmupStableDecay,
} from "./schedule.ts";
export { scheduleOf } from "./schedule_of.ts";
export {
  type OwnClasses,
  type SettingChange,
  settingChanges,
  type SettingClass,
} from "./setting_class.ts";
export {
  comparedWith,
  isExact,
  type KernelReport,
  type KernelVerdict,
  type SelfTestReport,
} from "./self_test_report.ts";
export {
  type FileRef,
  type Snapshot,
  SNAPSHOT_FORMAT,
  type SnapshotId,
  type SnapshotManifest,
  type TensorGroup,
} from "./snapshot.ts";
export {
  type DifferingElement,
  type ElementDifference,
  type ElementValue,
  type FormDifference,
  type TensorDifference,
  tensorDifference,
  type TensorForm,
} from "./tensor_difference.ts";
