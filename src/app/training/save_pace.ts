import type { RunConfig } from "../../core/config.ts";
import { isSaveDue, savesByTime } from "../../core/save_policy.ts";
import { fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { Stopwatch } from "../../ports/stopwatch.ts";
import type { RunError } from "../errors/errors.ts";
import type { Loop } from "./step_loop.ts";

/**
 * The times by which a training spaces its snapshots. It goes on through all stretches of a session:
 * what a resume recomputes counts, or a run that is killed again and again would recompute ever more.
 */
export interface SavePace {
  /** Whether a snapshot of the state that was just reached is due. */
  readonly isDue: (config: Pick<RunConfig, "save">, step: number) => boolean;
  /**
   * Says that the loop begins to save its state; what is given back is to be called when it can go on: so
   * long it was held up. What the device and the store still do then is done beside it.
   */
  readonly saving: () => () => void;
  /** Says that the log has a snapshot of the state that was just reached. */
  readonly passed: () => void;
}

/**
 * A pace that begins now. `left` is a step whose snapshot is due at once: a process that was killed
 * stored it, and the log does not name it.
 */
export function savePace(stopwatch: Stopwatch, left?: number): SavePace {
  let last = stopwatch.elapsed();
  let cost = 0;
  const passed = () => void (last = stopwatch.elapsed());
  return {
    isDue: (config, step) => {
      const times = { steps: stopwatch.elapsed() - last, snapshot: cost };
      return savesByTime(config) && (step === left || isSaveDue(config, times));
    },
    saving() {
      const begun = stopwatch.elapsed();
      return () => {
        cost = stopwatch.elapsed() - begun;
        passed();
      };
    },
    passed,
  };
}

/**
 * The pace of a session that begins now; none where the environment measures no time. Fails with
 * StopwatchMissing where the config needs one and there is none.
 */
export function paceOf(
  { stopwatch }: Pick<RunEnv, "stopwatch">,
  config: Pick<RunConfig, "save">,
  left?: number,
): { readonly pace?: SavePace } {
  if (stopwatch !== undefined) return { pace: savePace(stopwatch, left) };
  return savesByTime(config) ? missing(config) : {};
}

/**
 * Whether a snapshot of the state that was just reached is due by measured time. While a loop compares, the
 * log says where the snapshots are, and where it writes nothing, none is due.
 */
export function dueByTime(
  { plan: { config }, recorder, pace }: Pick<Loop, "plan" | "recorder" | "pace">,
  step: number,
): "auto" | undefined {
  if (!savesByTime(config) || !recorder.writes || recorder.next() !== undefined) return undefined;
  return (pace ?? missing(config)).isDue(config, step) ? "auto" : undefined;
}

function missing({ save: { maxReplaySeconds } }: Pick<RunConfig, "save">): never {
  return fail({ type: "StopwatchMissing", maxReplaySeconds } satisfies RunError);
}
