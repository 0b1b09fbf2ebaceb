import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { decide } from "../core/decide.ts";
import { environmentChanges } from "../core/environment.ts";
import { nearest } from "../core/nearest.ts";
import type { RetentionPolicy } from "../core/retention_policy.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import type { SnapshotId } from "../core/snapshot.ts";
import { attempt, type Await, fail } from "../ports/attempt.ts";
import type { LogWriter } from "../ports/event_log.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { Task } from "../ports/task.ts";
import { foldOf } from "../ports/fold_log.ts";
import type { HostBatch } from "../train/loss.ts";
import { release } from "../train/ownership.ts";
import { tensorsOf } from "../train/train_state.ts";
import type { Tree } from "../train/tree.ts";
import { codeChange } from "./check_code.ts";
import { checkContinuation } from "./check_continuation.ts";
import { storingCode } from "./code_appender.ts";
import type { RunError } from "./errors.ts";
import { continueRun, finishRun } from "./finish_run.ts";
import { planOf } from "./plan.ts";
import { appenderOf } from "./log_appender.ts";
import { recorderFrom, type RecorderStart } from "./recorder.ts";
import { type RestoredState, restoreState } from "./restore_state.ts";
import type { RunOutcome } from "./run_outcome.ts";
import { startRun } from "./start_run.ts";
import { checkedPolicy } from "./retain_snapshots.ts";
import type { Loop } from "./step_loop.ts";
import { askedSettings, type TrainOptions } from "./train_options.ts";

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
  task: Task<P, B>,
  options: TrainOptions = {},
): TaskEither<RunError, RunOutcome> {
  return attempt<RunError, RunOutcome>(async (get) => {
    await env.device.activate();
    await checkExistence(env, run, options, get);
    const writer = await get(env.store.log.open(run));
    try {
      return await trainWith(env, run, task, options, writer, get);
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
  task: Task,
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
  if (head.status === "absent") {
    const policy = await checkedPolicy(env, options.retention);
    const { plan, restored } = await startRun(env, run, task, askedSettings(task, options), log);
    const recorder = recorderFrom({ ...startOf(restored), log });
    const loop = { env, run, plan, recorder, heals: () => true, ...retentionOf(policy), get };
    return await finishRun(loop, restored, options);
  }
  const passing = checkContinuation(run, head, task, askedSettings(task, options));
  const ended = alreadyThere(run, head, options);
  if (ended !== undefined) return ended;
  const changed = await codeChange(env, run, head);
  if (changed !== undefined && !options.acceptCodeChange) fail(changed);
  const { grain } = head.config!.batch;
  for (const change of passing) env.reporter?.report({ type: "MicroPasses", grain, ...change });
  const wish = {
    environment: env.device.environment,
    acceptEnvironment: options.acceptEnvironment ?? false,
    ...(changed && { code: changed.actual }),
  };
  const onHead = { type: "ResumeRun", data: wish } as const;
  const refused = decide(onHead, head);
  if (E.isLeft(refused)) fail(refused.left);
  const plan = planOf(task, head.config!);
  const policy = await checkedPolicy(env, options.retention);
  const whole = () => get(env.store.log.read(run));
  const restored = await restoreState(env, plan, { recent: contents, whole }, head.step);
  if (restored.state.step < head.step) requireSameEnvironment(env, run, restored, head);
  const kept = new Set(head.snapshots.map(({ snapshot }) => snapshot));
  const heals = (snapshot: SnapshotId) => kept.has(snapshot);
  const recorder = recorderFrom({ ...startOf(restored), log, onHead });
  const resumedFrom = restored.snapshot;
  const loop = { env, run, plan, recorder, heals, ...retentionOf(policy, resumedFrom), get };
  return await continueRun(loop, restored, head, options);
}

function retentionOf(
  policy: RetentionPolicy | undefined,
  resumedFrom?: SnapshotId,
): Pick<Loop, "retention"> {
  if (policy === undefined) return {};
  return { retention: { policy, ...(resumedFrom && { resumedFrom }) } };
}

function startOf({ runState: state, history, pending }: RestoredState): RecorderStart {
  return { state, history, pending };
}

/** What has to be recomputed can be compared only where it was computed. */
function requireSameEnvironment(
  env: RunEnv,
  run: RunId,
  { state, pending }: RestoredState,
  head: RunState,
): void {
  const recorded = head.environment!;
  const moved = pending.some(({ type, data }) => type === "RunResumed" && "environment" in data);
  if (!moved && environmentChanges(recorded, env.device.environment).length === 0) return;
  release(tensorsOf(state));
  const { backend } = recorded;
  fail({ type: "ComputedElsewhere", run, from: state.step + 1, to: head.step, backend });
}

/** Where there is nothing to do: the run is complete, or paused where it is to pause. */
function alreadyThere(
  run: RunId,
  head: RunState,
  { until }: TrainOptions,
): RunOutcome | undefined {
  if (head.status === "completed") return { run, status: "completed", state: head };
  if (until === undefined || until > head.step) return undefined;
  if (until < head.step) fail({ type: "StepPassed", run, until, step: head.step });
  return head.status === "paused" ? { run, status: "paused", state: head } : undefined;
}
