import type { TaskEither } from "fp-ts/TaskEither.js";
import { nearest } from "../../core/nearest.ts";
import type { RunId } from "../../core/run_id.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { LogWriter } from "../../ports/event_log.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import type { Tree } from "../../train/tree.ts";
import { storingCode } from "./code_appender.ts";
import { continueRun } from "./continue_run.ts";
import type { RunError } from "../errors/errors.ts";
import { finishRun } from "./finish_run.ts";
import { appenderOf } from "./log_appender.ts";
import { plansOf } from "./plan.ts";
import { recorderAt } from "./recorder.ts";
import { checkedPolicy, retentionOf } from "./retain_snapshots.ts";
import { requireNoRun } from "./require_no_run.ts";
import type { RunOutcome } from "./run_outcome.ts";
import { paceOf } from "./save_pace.ts";
import { startRun } from "./start_run.ts";
import type { TrainOptions } from "./train_options.ts";

/**
 * Trains a task as the run `run`: starts it, or continues it where it stopped.
 *
 * A run that is continued is restored from its nearest snapshot; what lies between that and the head
 * of its log is recomputed and compared with the log, bit for bit, before anything is added. The
 * first difference fails with Diverged. Whatever interrupted the run, every step is in the log once.
 */
export function trainRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: TaskSource<P, B>,
  options: TrainOptions = {},
): TaskEither<RunError, RunOutcome> {
  return attempt<RunError, RunOutcome>(async (get) => {
    await env.device.activate();
    await checkExistence(env, run, options, get);
    const writer = await get(env.store.log.open(run));
    try {
      return await trainWith(env, run, task as TaskSource, options, writer, get);
    } finally {
      await writer.close()();
    }
  });
}

/** Says no before anything is made on disk. */
async function checkExistence(
  env: RunEnv,
  run: RunId,
  { resume = "auto" }: TrainOptions,
  get: Await<RunError>,
): Promise<void> {
  if (resume === "auto") return;
  if (resume === "never") return await requireNoRun(env.store, run, get);
  const runs = await get(env.store.log.runs());
  if (!runs.includes(run)) fail({ type: "RunMissing", run, near: nearest(run, runs) });
}

async function trainWith(
  env: RunEnv,
  run: RunId,
  source: TaskSource,
  options: TrainOptions,
  writer: LogWriter,
  get: Await<RunError>,
): Promise<RunOutcome> {
  const { contents } = writer;
  if (contents.torn !== undefined) {
    env.reporter?.report({ type: "TailCut", run, torn: contents.torn });
  }
  const head = foldOf(contents);
  const log = storingCode(appenderOf(writer), env.store.sources, env.code, get);
  const plans = plansOf(run, source);
  const loop = { env, run, plans, get };
  if (head.status === "absent") {
    const policy = await checkedPolicy(env, options.retention);
    const restored = await startRun(env, run, source, options, log);
    const recorder = recorderAt(restored, { log });
    const pace = paceOf(env, recorder.state().config!);
    const starting = { ...loop, recorder, heals: () => true, ...retentionOf(policy), ...pace };
    return await finishRun(starting, restored, options);
  }
  return await continueRun({ ...loop, log }, contents, options);
}
