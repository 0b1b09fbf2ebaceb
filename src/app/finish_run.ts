import * as E from "fp-ts/Either.js";
import { planEnds } from "../core/plan_ends.ts";
import { foldIn, key } from "../core/rng_key.ts";
import type { RunState } from "../core/run_state.ts";
import { attempt, fail } from "../ports/attempt.ts";
import { release, releaseOnThrow } from "../train/ownership.ts";
import { tensorsOf, type TrainState } from "../train/train_state.ts";
import type { RunError } from "./errors.ts";
import type { Recorder } from "./recorder.ts";
import type { RestoredState } from "./restore_state.ts";
import type { RunOutcome } from "./run_outcome.ts";
import { readSnapshot, storeSnapshot } from "./save_snapshot.ts";
import { type Loop, ofTask, takeSteps } from "./step_loop.ts";
import type { TrainOptions } from "./train_options.ts";

/** Recomputes up to the head of the log, says what was compared, and goes on. */
export async function continueRun(
  loop: Loop,
  restored: RestoredState,
  head: RunState,
  options: TrainOptions,
): Promise<RunOutcome> {
  const { env, run, plan, recorder } = loop;
  const snapshot = restored.state.step;
  const maxSteps = plan.config.steps.max;
  releaseOnThrow(
    tensorsOf(restored.state),
    () => env.reporter?.report({ type: "Resuming", run, snapshot, head: head.step, maxSteps }),
  );
  const stopped = () => options.stop?.aborted ?? false;
  const state = await takeSteps(loop, restored.state, head.step, stopped);
  if (state.step < head.step) {
    release(tensorsOf(state));
    return { run, status: "stopped", state: head };
  }
  releaseOnThrow(tensorsOf(state), () =>
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
    }));
  return await finishRun(loop, { ...restored, state }, options);
}

/** Trains on to the end or to a pause, and records which it was. */
export async function finishRun(
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
    if (planEnds(recorder.state())) {
      await recorder.record({ type: "CompleteRun" });
      await recorder.flush();
      const sample = await sampleOf(loop, state);
      return { run, status: "completed", state: recorder.state(), ...sample };
    }
    const { snapshots } = recorder.state();
    if (snapshots.at(-1)?.step !== state.step) {
      await storeSnapshot(loop, await readSnapshot(loop, state), "paused");
    }
    const reason = stopped() ? "signal" : "until";
    await recorder.record({ type: "PauseRun", data: { reason } });
    await recorder.flush();
    return { run, status: "paused", state: recorder.state() };
  } finally {
    release(tensorsOf(state));
  }
}

/** A task that throws fails the run in its log too, so that people see why it stands still. */
async function orRecordFailure<A>(recorder: Recorder, work: () => Promise<A>): Promise<A> {
  const result = await attempt<RunError, A>(() => work())();
  if (E.isRight(result)) return result.right;
  if (result.left.type === "TaskFailed") {
    const { message } = result.left;
    await recorder.record({ type: "FailRun", data: { message } });
    await recorder.flush();
  }
  return fail(result.left);
}

async function sampleOf(
  { env, plan }: Loop,
  state: TrainState,
): Promise<{ readonly sample?: string }> {
  const { task, config } = plan;
  if (task.sample === undefined) return {};
  const sampleKey = foldIn(key(config.seed), "sample");
  const text = await ofTask(
    state.step,
    () => task.sample?.(state.ema ?? state.params, sampleKey, env.device),
  );
  return text === undefined ? {} : { sample: text };
}
