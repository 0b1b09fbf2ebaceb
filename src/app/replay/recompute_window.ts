import * as E from "fp-ts/Either.js";
import { attempt, fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import { describeError } from "../errors/describe_error.ts";
import type { RunError } from "../errors/errors.ts";
import { fingerprintState } from "../training/fingerprint_state.ts";
import { reachState, type Recomputation } from "./reach_state.ts";
import type { RecordedRun } from "../reading/read_run.ts";

/** Why a run cannot be recomputed as its log has it, where that is an answer and not a failure. */
const ANSWERS = [
  "Diverged",
  "ComputedElsewhere",
  "TaskDiffers",
  "DataDiffers",
  "HeldOutDiffers",
  "OriginMissing",
] as const;

/** A recomputation that stopped, in words; JSON as it is. */
export interface WindowStop {
  readonly type: typeof ANSWERS[number];
  /** Where it diverged from the log. */
  readonly step?: number;
  readonly message: string;
}

/** What a run computed in a window of steps. */
export interface WindowStates {
  /** The fingerprints of the states by step, as far as it came, the step at which it diverged left out. */
  readonly states: ReadonlyMap<number, string>;
  /** Absent where it stopped. */
  readonly recomputation?: Recomputation;
  readonly stopped?: WindowStop;
}

/**
 * Recomputes a run from the state after step `from` to that after step `to`, compares it with its log, and
 * takes the fingerprint of each state on the way, both ends included.
 */
export async function recomputeWindow(
  env: RunEnv,
  recorded: RecordedRun,
  source: TaskSource,
  from: number,
  to: number,
): Promise<WindowStates> {
  const states = new Map<number, string>();
  async function mark(state: TrainState): Promise<void> {
    if (state.step < from || states.has(state.step)) return;
    const { fingerprint } = await fingerprintState(env.device, state);
    states.set(state.step, fingerprint.state);
  }
  const reached = await attempt<RunError, Recomputation>(async (get) => {
    const { state, recomputation } = await reachState(env, recorded, source, to, get, {
      from,
      watch: async ({ before, after }) => {
        await mark(before);
        await mark(after);
      },
    });
    await mark(state).finally(() => release(tensorsOf(state)));
    return recomputation;
  })();
  if (E.isRight(reached)) return { states, recomputation: reached.right };
  const error = reached.left;
  const type = ANSWERS.find((answer) => answer === error.type);
  if (type === undefined) return fail(error);
  const message = describeError(error);
  if (error.type !== "Diverged") return { states, stopped: { type, message } };
  const { step } = error;
  states.delete(step); // it may have been taken before what differs
  return { states, stopped: { type, step, message } };
}
