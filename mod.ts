/**
 * foldlog trains models as a fold over an append-only log: every step is an event, a checkpoint is a
 * snapshot named by the log, and a resumed run proves, bit for bit, that it is the run that was
 * interrupted.
 *
 * @example Train, pause at step 3, and go on; run it again to see that it is complete.
 * ```ts
 * import { memoryStore, openDevice, tf, trainRun } from "foldlog";
 * import * as E from "fp-ts/Either.js";
 *
 * const device = await openDevice("cpu")();
 * if (E.isLeft(device)) throw new Error(device.left.reason);
 * const env = { store: memoryStore(), device: device.right };
 * const x = { dtype: "float32", shape: [4, 1], data: Float32Array.of(0, 1, 2, 3) } as const;
 * const task = {
 *   name: "double",
 *   config: { steps: { max: 5 }, batch: { size: 4, micro: 4 } },
 *   init: () => ({ slope: tf.scalar(0) }),
 *   loss: ({ slope }: { slope: tf.Scalar }, { x }: Record<string, tf.Tensor>) =>
 *     tf.mean<tf.Scalar>(tf.square(tf.sub(tf.mul(x!, slope), tf.mul(x!, 2)))),
 *   data: { identity: { name: "x", samples: 4, digest: "0".repeat(64) }, at: () => ({ x }) },
 * };
 * await trainRun(env, "first", task, { until: 3 })();
 * const outcome = await trainRun(env, "first", task)();
 * if (E.isLeft(outcome) || outcome.right.state.step !== 5) throw new Error("not resumed");
 * ```
 *
 * @module
 */
export { fileStore } from "./src/adapters/file_store.ts";
export { memoryStore } from "./src/adapters/memory_store.ts";
export { systemClock } from "./src/adapters/system_clock.ts";
export { type Backend, type BackendChoice, BACKENDS } from "./src/adapters/backend_choice.ts";
export { type BackendUnavailable, openDevice } from "./src/adapters/tfjs_backend.ts";
export { byteTokenSource } from "./src/adapters/token_source.ts";
export { describeError } from "./src/app/describe_error.ts";
export type { Divergence, RunError, SettingChange } from "./src/app/errors.ts";
export { readParams, readRun, type RecordedRun } from "./src/app/read_run.ts";
export { type RunOutcome, type TrainOptions, trainRun } from "./src/app/train_run.ts";
export { type Problem, replayRun, type VerifyReport, verifyRun } from "./src/app/verify_run.ts";
export * from "./src/core/mod.ts";
export * from "./src/model/mod.ts";
export * from "./src/ports/mod.ts";
export * from "./src/train/mod.ts";
export * as tf from "./src/train/tf.ts";
