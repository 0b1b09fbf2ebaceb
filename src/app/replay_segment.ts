import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { isStep, type RunEvent } from "../core/event.ts";
import { initialState } from "../core/evolve.ts";
import type { ReplaySegment } from "../core/replay_segments.ts";
import { attempt, fail } from "../ports/attempt.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { Task } from "../ports/task.ts";
import { release } from "../train/ownership.ts";
import { tensorsOf } from "../train/train_state.ts";
import { requireComputedHere } from "./computed_here.ts";
import type { Divergence, RunError } from "./errors.ts";
import { planOf } from "./plan.ts";
import type { RecordedRun } from "./read_run.ts";
import { type Recorder, recorderFrom } from "./recorder.ts";
import { type RestoredState, restoreState } from "./restore_state.ts";
import { takeSteps } from "./step_loop.ts";

/** What came of the recomputation of a segment: plain data, as a thread can send it. */
export interface SegmentReplay {
  /** The place of the segment among those of the run. */
  readonly number: number;
  /** The step of the state that it was recomputed from, and the last step of the segment. */
  readonly from: number;
  readonly to: number;
  /** Steps that were recomputed and are as recorded. */
  readonly steps: number;
  /** Events that were compared and are as recorded. */
  readonly compared: number;
  /** Those of them that have a fingerprint of the state. */
  readonly fingerprints: number;
  /** The first difference; nothing was recomputed after it. */
  readonly divergence?: Divergence;
  /** An event that the log has at the end, and that no recomputation makes. */
  readonly extra?: RunEvent;
}

/**
 * Recomputes a segment of a run, and compares every event of it, and the state at its end, with what was
 * recorded. Writes nothing.
 *
 * It begins with the state that its start names, every byte checked against the log; where that cannot
 * be read, with the nearest before it. A difference is a result. Fails where the steps were computed in
 * another environment, and as a task or a store fails.
 */
export function replaySegment(
  env: RunEnv,
  recorded: RecordedRun,
  task: Task,
  segment: ReplaySegment,
): TaskEither<RunError, SegmentReplay> {
  return attempt<RunError, SegmentReplay>(async () => {
    await env.device.activate();
    const events = recorded.events.map(({ event }) => event);
    requireComputedHere(recorded.run, events, [segment], env.device.environment);
    let begun: Begun | undefined;
    const result = await attempt<RunError, RunEvent | undefined>(async (get) => {
      const plan = planOf(task, recorded.state.config!);
      const contents = { base: initialState, events: recorded.events };
      const log = { recent: contents, whole: () => Promise.resolve(contents) };
      const restored = await restoreState(env, plan, log, segment.from);
      const { state, runState, history } = restored;
      const pending = restored.pending.slice(0, segment.end - runState.version);
      const recorder = recorderFrom({ state: runState, history, pending });
      begun = { from: state.step, pending, recorder };
      const loop = { env, run: recorded.run, plan, recorder, heals: () => false, get };
      release(tensorsOf(await takeSteps(loop, state, segment.to)));
      if (recorder.next()?.type === "RunCompleted") await recorder.record({ type: "CompleteRun" });
      return recorder.next();
    })();
    const { number, from, to } = segment;
    const found = { number, from, to, steps: 0, compared: 0, fingerprints: 0, ...countsOf(begun) };
    if (E.isRight(result)) return { ...found, ...(result.right && { extra: result.right }) };
    return result.left.type === "Diverged"
      ? { ...found, divergence: result.left }
      : fail(result.left);
  });
}

/** A recomputation from the state at step `from` on, which compares what is `pending`. */
interface Begun {
  readonly from: number;
  readonly pending: RestoredState["pending"];
  readonly recorder: Recorder;
}

function countsOf(begun: Begun | undefined) {
  if (begun === undefined) return {};
  const { from, pending, recorder } = begun;
  const { step } = recorder.state();
  const fingerprints = pending.filter((event) =>
    isStep(event) && event.data.step <= step && event.data.fingerprint !== undefined
  );
  const compared = recorder.compared();
  return { from, steps: step - from, compared, fingerprints: fingerprints.length };
}
