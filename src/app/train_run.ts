import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { environmentChanges } from "../core/environment.ts";
import { nearest } from "../core/nearest.ts";
import type { RetentionPolicy } from "../core/retention_policy.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import { savesByTime } from "../core/save_policy.ts";
import type { SnapshotId } from "../core/snapshot.ts";
import { attempt, type Await, fail } from "../ports/attempt.ts";
import type { LogContents, LogWriter } from "../ports/event_log.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { TaskSource } from "../ports/task.ts";
import { foldOf } from "../ports/fold_log.ts";
import type { HostBatch } from "../train/loss.ts";
import { releaseOnThrow } from "../train/ownership.ts";
import { tensorsOf } from "../train/train_state.ts";
import type { Tree } from "../train/tree.ts";
import { storingCode } from "./code_appender.ts";
import { continuationOf } from "./continuation.ts";
import type { RunError } from "./errors.ts";
import { continueRun, finishRun } from "./finish_run.ts";
import { plansOf } from "./plan.ts";
import { appenderOf } from "./log_appender.ts";
import { recorderFrom, type RecorderStart } from "./recorder.ts";
import { type RestoredState, restoreState } from "./restore_state.ts";
import type { RunOutcome } from "./run_outcome.ts";
import { paceOf } from "./save_pace.ts";
import { startRun } from "./start_run.ts";
import { checkedPolicy } from "./retain_snapshots.ts";
import { requireComputedHere } from "./require_computed_here.ts";
import { requireFit } from "./require_fit.ts";
import type { RunLoop } from "./stretches.ts";
import type { TrainOptions } from "./train_options.ts";
import { unnamed } from "./unnamed_views.ts";

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
  const runs = await get(env.store.log.runs());
  if (resume === "must" && !runs.includes(run)) {
    fail({ type: "RunMissing", run, near: nearest(run, runs) });
  }
  if (resume === "never" && runs.includes(run)) {
    const { step } = foldOf(await get(env.store.log.recent(run)));
    fail({ type: "RunExists", run, step });
  }
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
    const recorder = recorderFrom({ ...startOf(restored), log });
    const pace = paceOf(env, recorder.state().config!);
    const starting = { ...loop, recorder, heals: () => true, ...retentionOf(policy), ...pace };
    return await finishRun(starting, restored, options);
  }
  const whole = () => get(env.store.log.read(run));
  const going = await continuationOf(env, run, plans, { contents, whole }, options);
  if ("run" in going) return going;
  const { from, opening, end, wished } = going;
  for (const { path, recorded, asked } of wished.passing) {
    const { grain } = wished.config.batch;
    env.reporter?.report({ type: "MicroPasses", path, recorded, asked, grain });
  }
  const left = end === undefined ? await leftInView(env, run, from, contents, get) : undefined;
  const pace = paceOf(env, wished.config, left);
  const policy = await checkedPolicy(env, options.retention);
  const { snapshots } = from;
  const recorded = { recent: contents, whole, snapshots, ...(end !== undefined && { end }) };
  const restored = await restoreState(env, plans, recorded, from.step);
  if (wished.change?.class === "training") {
    const { changes } = wished.change;
    const next = await plans.at({ ...from, config: wished.config });
    releaseOnThrow(
      tensorsOf(restored.state),
      () => requireFit(run, next, restored.state, changes),
    );
  }
  requireComputedHere(env.device.environment, run, restored, from.step);
  const kept = new Set(snapshots.map(({ snapshot }) => snapshot));
  const heals = (snapshot: SnapshotId) => kept.has(snapshot);
  const recorder = recorderFrom({ ...startOf(restored), log, opening });
  const retention = retentionOf(policy, restored.snapshot);
  const continuing = { ...loop, recorder, heals, ...retention, ...pace };
  const { step } = restored.state;
  const result = await attempt<RunError, RunOutcome>(() =>
    continueRun(continuing, restored, going, options)
  )();
  if (E.isRight(result)) return result.right;
  if (result.left.type !== "Diverged") return fail(result.left);
  const environment = environmentChanges(from.environment!, env.device.environment);
  return fail({ ...result.left, from: step, environment } satisfies RunError);
}

/**
 * The last step in the log where the view has a snapshot of it that the log does not name: a process that
 * was killed stored it. Asked only where the step alone does not say that it is due again.
 */
async function leftInView(
  { store }: RunEnv,
  run: RunId,
  { config, step: last }: RunState,
  contents: LogContents,
  get: Await<RunError>,
): Promise<number | undefined> {
  if (!savesByTime(config!)) return undefined;
  const shown = await get(store.snapshots.shown(run));
  return unnamed(shown, contents).find(({ step }) => step === last)?.step;
}

function retentionOf(
  policy: RetentionPolicy | undefined,
  resumedFrom?: SnapshotId,
): Pick<RunLoop, "retention"> {
  if (policy === undefined) return {};
  return { retention: { policy, ...(resumedFrom && { resumedFrom }) } };
}

function startOf({ runState: state, history, pending }: RestoredState): RecorderStart {
  return { state, history, pending };
}
