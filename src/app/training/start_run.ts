import type { Digest } from "../../core/digest.ts";
import type { RunEvent, RunStarted } from "../../core/event.ts";
import { historyDigest, NO_HISTORY } from "../../codec/history_digest.ts";
import { evolve, initialState } from "../../core/evolve.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import { leavesOf } from "../../train/tree.ts";
import type { LogAppender } from "./log_appender.ts";
import { initialStateOf, type Plan, planOf, taskOf } from "./plan.ts";
import type { RestoredState } from "./restore_state.ts";
import { paceOf } from "./save_pace.ts";
import { digestOfState, snapshotOf } from "./state_snapshot.ts";
import { configOfNew, type TrainOptions } from "./train_options.ts";

/** Records the start of a run and gives its initial state. */
export async function startRun(
  env: RunEnv,
  run: RunId,
  source: TaskSource,
  options: TrainOptions,
  log: LogAppender,
): Promise<RestoredState> {
  const config = configOfNew(source, options);
  paceOf(env, config); // says no before anything is recorded
  const task = await taskOf(source, config);
  const plan = planOf(task, config);
  const state = initialStateOf(plan);
  try {
    const { cursor } = initialState;
    const snapshot = await snapshotOf(env.device, state, { task: task.name, cursor });
    const data = startedData(env, plan, digestOfState(snapshot));
    const started: RunEvent = { type: "RunStarted", data };
    await log.append([started]);
    await log.flush(); // whatever else is stored, the log tells of the run
    const parameters = leavesOf(state.params).reduce((sum, [, leaf]) => sum + leaf.size, 0);
    const maxSteps = config.steps.max;
    env.reporter?.report({ type: "Started", run, parameters, maxSteps });
    const runState = evolve(initialState, started);
    const history = historyDigest(NO_HISTORY, started);
    return { state, runState, history, pending: [] };
  } catch (error) {
    release(tensorsOf(state));
    throw error;
  }
}

/** What is recorded of a run that begins with the state of this digest. */
export function startedData(
  { device, code }: RunEnv,
  { task, config }: Plan,
  state: Digest,
): RunStarted["data"] {
  return {
    task: task.name,
    config,
    data: task.data.identity,
    environment: device.environment,
    state,
    ...(task.evaluation && { heldOut: task.evaluation.data.identity }),
    ...(code && { code: code.digest }),
  };
}
