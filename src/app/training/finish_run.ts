import * as E from "fp-ts/Either.js";
import { planEnds } from "../../core/plan_ends.ts";
import { foldIn, key } from "../../core/rng_key.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import { describeError } from "../errors/describe_error.ts";
import type { RunError } from "../errors/errors.ts";
import type { Recorder } from "./recorder.ts";
import type { RestoredState } from "./restore_state.ts";
import type { RunOutcome } from "./run_outcome.ts";
import { readSnapshot, storeSnapshot } from "./save_snapshot.ts";
import type { Plan } from "./plan.ts";
import { ofTask } from "./step_loop.ts";
import { type RunLoop, takeStretches } from "./stretches.ts";
import type { TrainOptions } from "./train_options.ts";

/** Trains on to the end or to a pause, and records which it was. */
export async function finishRun(
  loop: RunLoop,
  restored: Pick<RestoredState, "state">,
  options: TrainOptions,
): Promise<RunOutcome> {
  const { run, plans, recorder } = loop;
  const { max } = recorder.state().config!.steps;
  const end = Math.min(options.until ?? max, max);
  const stopped = () => options.stop?.aborted ?? false;
  const state = await orRecordFailure(
    recorder,
    () => takeStretches(loop, restored.state, end, stopped),
  );
  try {
    const plan = await plans.at(recorder.state());
    const completes = planEnds(recorder.state());
    const { snapshots } = recorder.state();
    // A plan that ends here since its settings changed here took no snapshot on the way.
    if (snapshots.at(-1)?.step !== state.step) {
      const here = { ...loop, plan };
      await storeSnapshot(here, await readSnapshot(here, state), completes ? "final" : "paused");
    }
    if (completes) {
      await recorder.record({ type: "CompleteRun" });
      await recorder.flush();
      const sample = await sampleOf(loop, plan, state);
      return { run, status: "completed", state: recorder.state(), ...sample };
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
  if (result.left.type === "TaskFailed" || result.left.type === "DeviceMemoryFull") {
    const message = result.left.type === "TaskFailed"
      ? result.left.message
      : describeError(result.left);
    await recorder.record({ type: "FailRun", data: { message } });
    await recorder.flush();
  }
  return fail(result.left);
}

async function sampleOf(
  { env }: RunLoop,
  plan: Plan,
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
