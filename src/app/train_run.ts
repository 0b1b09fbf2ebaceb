import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { checkConfig } from "../core/check_config.ts";
import { defaultConfig, mergeConfig, type PartialConfig } from "../core/config.ts";
import { decide } from "../core/decide.ts";
import type { RunEvent } from "../core/event.ts";
import { evolve, initialState } from "../core/evolve.ts";
import { nearest } from "../core/nearest.ts";
import { foldIn, key } from "../core/rng_key.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import { attempt, type Await, fail } from "../ports/attempt.ts";
import type { LogWriter } from "../ports/event_log.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { Task } from "../ports/task.ts";
import type { HostBatch } from "../train/loss.ts";
import { release } from "../train/ownership.ts";
import { tensorsOf, type TrainState } from "../train/train_state.ts";
import { leavesOf, type Tree } from "../train/tree.ts";
import { checkContinuation } from "./check_continuation.ts";
import type { RunError } from "./errors.ts";
import { initialStateOf, type Plan, planOf } from "./plan.ts";
import { type Recorder, recorderFrom } from "./recorder.ts";
import { type RestoredState, restoreState } from "./restore_state.ts";
import { digestOfState, snapshotOf } from "./state_snapshot.ts";
import { type Loop, ofTask, save, takeSteps } from "./step_loop.ts";

/** How a run is to be trained. */
export interface TrainOptions {
  /**
   * "auto" continues a run that exists and starts one that does not; "must" expects it to exist,
   * "never" not to.
   */
  readonly resume?: "auto" | "must" | "never";
  /** Pause at this step. The plan, and so the schedule, stays as it is. */
  readonly until?: number;
  /** Settings for a new run, over those of the task; for an existing run, settings that it must have. */
  readonly config?: PartialConfig;
  /** Pauses the run after the step during which it is aborted. */
  readonly stop?: AbortSignal;
  /** Go on in another environment, and record that exactness ends there. */
  readonly acceptEnvironment?: boolean;
}

/** Where a training came to. */
export interface RunOutcome {
  readonly run: RunId;
  /** "stopped": it was told to stop while it still recomputed what the log has. */
  readonly status: "completed" | "paused" | "stopped";
  readonly state: RunState;
  /** What the task's `sample` shows of the final parameters, where this call completed the run. */
  readonly sample?: string;
}

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
    const { events } = await get(env.store.log.read(run));
    const { step } = events.map(({ event }) => event).reduce(evolve, initialState);
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
  const { events: recorded, torn } = writer.contents;
  if (torn !== undefined) env.reporter?.report({ type: "TailCut", run, torn });
  const events = recorded.map(({ event }) => event);
  const head = events.reduce(evolve, initialState);
  let version = recorded.length;
  async function append(added: readonly RunEvent[]): Promise<void> {
    await get(writer.append(added, version));
    version += added.length;
  }
  if (head.status === "absent") {
    const { plan, restored } = await startRun(env, run, task, options, append);
    const recorder = recorderFrom({ state: restored.runState, pending: [], append });
    return await finish({ env, run, plan, recorder, get }, restored, options);
  }
  checkContinuation(run, head, task, mergeAsked(task, options));
  const ended = alreadyThere(run, head, options);
  if (ended !== undefined) return ended;
  const wish = {
    environment: env.device.environment,
    acceptEnvironment: options.acceptEnvironment ?? false,
  };
  const onHead = { type: "ResumeRun", data: wish } as const;
  const refused = decide(onHead, head);
  if (E.isLeft(refused)) fail(refused.left);
  const plan = planOf(task, head.config!);
  const restored = await restoreState(env, plan, events, head.step);
  const { runState: state, pending } = restored;
  const recorder = recorderFrom({ state, pending, append, onHead });
  return await continueRun({ env, run, plan, recorder, get }, restored, head, options);
}

/** Records the start of a run and gives its initial state. */
async function startRun(
  env: RunEnv,
  run: RunId,
  task: Task,
  options: TrainOptions,
  append: (events: readonly RunEvent[]) => Promise<void>,
): Promise<{ readonly plan: Plan; readonly restored: RestoredState }> {
  const config = checkConfig(mergeConfig(defaultConfig, mergeAsked(task, options)));
  if (E.isLeft(config)) return fail(config.left);
  const plan = planOf(task, config.right);
  const state = initialStateOf(plan);
  try {
    const snapshot = await snapshotOf(env.device, task.name, state, initialState.cursor);
    const started: RunEvent = {
      type: "RunStarted",
      data: {
        task: task.name,
        config: config.right,
        data: task.data.identity,
        environment: env.device.environment,
        state: digestOfState(snapshot),
      },
    };
    await append([started]);
    const parameters = leavesOf(state.params).reduce((sum, [, leaf]) => sum + leaf.size, 0);
    const maxSteps = config.right.steps.max;
    env.reporter?.report({ type: "Started", run, parameters, maxSteps });
    return { plan, restored: { state, runState: evolve(initialState, started), pending: [] } };
  } catch (error) {
    release(tensorsOf(state));
    throw error;
  }
}

/** Recomputes up to the head of the log, says what was compared, and goes on. */
async function continueRun(
  loop: Loop,
  restored: RestoredState,
  head: RunState,
  options: TrainOptions,
): Promise<RunOutcome> {
  const { env, run, plan, recorder } = loop;
  const snapshot = restored.state.step;
  const maxSteps = plan.config.steps.max;
  env.reporter?.report({ type: "Resuming", run, snapshot, head: head.step, maxSteps });
  const stopped = () => options.stop?.aborted ?? false;
  const state = await takeSteps(loop, restored.state, head.step, stopped);
  if (state.step < head.step) {
    release(tensorsOf(state));
    return { run, status: "stopped", state: head };
  }
  env.reporter?.report({
    type: "Resumed",
    run,
    step: head.step,
    epoch: head.cursor.epoch,
    snapshot,
    recomputed: head.step - snapshot,
    compared: recorder.compared(),
    history: head.step,
    best: head.bestEvaluation ?? head.bestTrainLoss,
  });
  return await finish(loop, { ...restored, state }, options);
}

/** Trains on to the end or to a pause, and records which it was. */
async function finish(
  loop: Loop,
  restored: Pick<RestoredState, "state">,
  options: TrainOptions,
): Promise<RunOutcome> {
  const { run, plan, recorder } = loop;
  const { max } = plan.config.steps;
  const end = Math.min(options.until ?? max, max);
  const stopped = () => options.stop?.aborted ?? false;
  const state = await orRecordFailure(
    recorder,
    () => takeSteps(loop, restored.state, end, stopped),
  );
  try {
    if (state.step === max) {
      await recorder.record({ type: "CompleteRun" });
      const sample = await sampleOf(loop, state);
      return { run, status: "completed", state: recorder.state(), ...sample };
    }
    const { snapshots } = recorder.state();
    if (snapshots.at(-1)?.step !== state.step) await save(loop, state, "paused");
    const reason = stopped() ? "signal" : "until";
    await recorder.record({ type: "PauseRun", data: { reason } });
    return { run, status: "paused", state: recorder.state() };
  } finally {
    release(tensorsOf(state));
  }
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

/** A task that throws fails the run in its log too, so that people see why it stands still. */
async function orRecordFailure<A>(recorder: Recorder, work: () => Promise<A>): Promise<A> {
  const result = await attempt<RunError, A>(() => work())();
  if (E.isRight(result)) return result.right;
  if (result.left.type === "TaskFailed") {
    const { message } = result.left;
    await recorder.record({ type: "FailRun", data: { message } });
  }
  return fail(result.left);
}

async function sampleOf(
  { env, plan }: Loop,
  state: TrainState,
): Promise<{ readonly sample?: string }> {
  const { sample } = plan.task;
  if (sample === undefined) return {};
  const sampleKey = foldIn(key(plan.config.seed), "sample");
  return {
    sample: await ofTask(state.step, () => sample(state.params, sampleKey, env.device)),
  };
}

/** What the task and the caller ask for, the caller last. */
function mergeAsked(task: Task, options: TrainOptions): PartialConfig {
  const base = (task.config ?? {}) as typeof defaultConfig;
  return mergeConfig(base, options.config ?? {});
}
