/**
 * foldlog trains models as a fold over an append-only log: every step is an event, a checkpoint is a
 * snapshot named by the log, and a resumed run proves, bit for bit, that it is the run that was
 * interrupted.
 *
 * @example Train, pause at step 3, and go on; the result is that of a run that never paused.
 * ```ts
 * import { arraySource, defineTask, memoryStore, openDevice, orThrow, trainRun } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * const x = { dtype: "float32", shape: [4, 1], data: Float32Array.of(0, 1, 2, 3) } as const;
 * const task = defineTask({
 *   name: "double",
 *   config: { steps: { max: 5 }, batch: { size: 4, micro: 4 } },
 *   data: arraySource("x", { x }),
 *   init: () => ({ slope: tf.scalar(0) }),
 *   loss: ({ slope }, { x }) => tf.losses.meanSquaredError(tf.mul(x, 2), tf.mul(x, slope)).asScalar(),
 * });
 * const env = { store: memoryStore(), device: await orThrow(openDevice("cpu")) };
 * await orThrow(trainRun(env, "first", task, { until: 3 }));
 * const { state } = await orThrow(trainRun(env, "first", task));
 * if (state.step !== 5 || state.status !== "completed") throw new Error("not resumed");
 * ```
 *
 * @module
 */
export { arraySource } from "./src/adapters/data/array_source.ts";
export { codeOf } from "./src/adapters/code/code_of.ts";
export { fileStore } from "./src/adapters/file_store.ts";
export { memoryStore } from "./src/adapters/memory/memory_store.ts";
export { systemClock } from "./src/adapters/system/system_clock.ts";
export { systemDraw } from "./src/adapters/system/system_draw.ts";
export { systemStopwatch } from "./src/adapters/system/system_stopwatch.ts";
export {
  type Backend,
  type BackendChoice,
  BACKENDS,
} from "./src/adapters/device/backend_choice.ts";
export { openDevice } from "./src/adapters/device/tfjs_backend.ts";
export { type TokenShardOptions, tokenShards } from "./src/adapters/data/token_shards.ts";
export type { TokenBatch } from "./src/adapters/data/token_batch.ts";
export { byteTokenSource } from "./src/adapters/data/token_source.ts";
export { readWeights } from "./src/adapters/data/weights_file.ts";
export {
  collectGarbage,
  type CollectOptions,
  type Pruning,
} from "./src/app/upkeep/collect_garbage.ts";
export {
  type BisectedRun,
  type BisectOptions,
  type BisectReport,
  bisectRuns,
  type PartingCause,
} from "./src/app/compare/bisect_runs.ts";
export type { WindowStop } from "./src/app/replay/recompute_window.ts";
export type { PremiseDifference } from "./src/app/compare/premises.ts";
export { type RecomputedState, recomputeState } from "./src/app/replay/recompute_state.ts";
export type { DiffOptions } from "./src/app/compare/compare_states.ts";
export {
  type ComparedRun,
  diffRuns,
  type RunAt,
  type RunDifference,
} from "./src/app/compare/diff_runs.ts";
export type { EnvironmentDifference } from "./src/app/compare/environment_difference.ts";
export type { EntryDifference, EventDifference } from "./src/app/compare/event_difference.ts";
export type { LeafDifference, StateDifference } from "./src/app/compare/state_difference.ts";
export { type DiskUse, diskUse } from "./src/app/upkeep/disk_use.ts";
export { describeError } from "./src/app/errors/describe_error.ts";
export { DivergenceError } from "./src/app/errors/divergence_error.ts";
export type { CodeDiffers, Divergence, RunError } from "./src/app/errors/errors.ts";
export { type BeginOptions, beginRun, type GivenWeights } from "./src/app/fork/begin_run.ts";
export { type RunWeights, weightsOfRun } from "./src/app/fork/weights_of_run.ts";
export { type ForkOptions, type ForkReport, forkRun } from "./src/app/fork/fork_run.ts";
export { materialize, type MaterializeReport } from "./src/app/replay/materialize.ts";
export { firstParting, type Parting } from "./src/app/compare/first_parting.ts";
export { orThrow } from "./src/app/errors/or_throw.ts";
export type { ProbeProof } from "./src/app/replay/probe_lines.ts";
export { type ProbeOptions, type ProbeReport, probeRun } from "./src/app/replay/probe_run.ts";
export { type PrunedOrKept, type PruneReport, pruneRun } from "./src/app/upkeep/prune_run.ts";
export {
  type DirectoryOptions,
  exportDirectory,
  type ExportedDirectory,
  type ExportedWeights,
  exportHistory,
  exportWeights,
} from "./src/app/reading/export_run.ts";
export { followRun, type RunNews, type Watch } from "./src/app/reading/follow_run.ts";
export { type Checkpoint, listCheckpoints } from "./src/app/reading/list_checkpoints.ts";
export {
  readHead,
  readParams,
  readRun,
  type RecordedRun,
  type RunHead,
} from "./src/app/reading/read_run.ts";
export { type RepairMeans, type RepairReport, repairRun } from "./src/app/upkeep/repair_run.ts";
export { type ReplayOptions, replayRun } from "./src/app/replay/replay_run.ts";
export type { SegmentReplay } from "./src/app/replay/replay_segment.ts";
export type { SegmentWorkers } from "./src/app/replay/segment_workers.ts";
export { readCode, type RunCode } from "./src/app/reading/run_code.ts";
export {
  type ResumeOptions,
  type ResumeOutcome,
  resumeRun,
} from "./src/app/training/resume_run.ts";
export type { RunOutcome } from "./src/app/training/run_outcome.ts";
export type { Recomputation } from "./src/app/replay/reach_state.ts";
export type { TrainOptions } from "./src/app/training/train_options.ts";
export { selfTest } from "./src/app/self_test.ts";
export { trainRun } from "./src/app/training/train_run.ts";
export {
  type Problem,
  type ReplayReport,
  type VerifyReport,
  verifyRun,
} from "./src/app/upkeep/verify_run.ts";
export { type CodeIdentity, codeIdentity } from "./src/codec/code_identity.ts";
export * from "./src/core/mod.ts";
export * from "./src/model/mod.ts";
export * from "./src/ports/mod.ts";
export * from "./src/train/mod.ts";
export { segmentWorkers, type SegmentWorkersOptions } from "./src/workers/segment_workers.ts";
export type { TaskModule } from "./src/workers/task_module.ts";
