import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { environmentChanges } from "../core/environment.ts";
import type { RunEvent, RunStarted } from "../core/event.ts";
import { initialState } from "../core/evolve.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { RunId } from "../core/run_id.ts";
import { attempt, fail } from "../ports/attempt.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { TaskSource } from "../ports/task.ts";
import type { HostBatch } from "../train/loss.ts";
import { release } from "../train/ownership.ts";
import { tensorsOf } from "../train/train_state.ts";
import type { Tree } from "../train/tree.ts";
import { codeChange } from "./check_code.ts";
import { describeError } from "./describe_error.ts";
import type { RunError } from "./errors.ts";
import { plansOf } from "./plan.ts";
import { readRun } from "./read_run.ts";
import { recorderFrom } from "./recorder.ts";
import { restoreState } from "./restore_state.ts";
import { takeStretches } from "./stretches.ts";
import { type Problem, type VerifyReport, verifyRun } from "./verify_run.ts";

/** Problems that do not stand in the way of a replay: it reads no snapshot, no code and no derived data. */
const HARMLESS: readonly Problem["type"][] = [
  "SnapshotUnreadable",
  "CodeUnreadable",
  "DerivedDiffers",
];

/**
 * Recomputes a run from its initial state to the head of its log and compares every event and every
 * snapshot's state with what was recorded, after checking its integrity. Writes nothing. Other code than the
 * run's may do so: the comparison proves it, and the report says in what it differs.
 */
export function replayRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: TaskSource<P, B>,
): TaskEither<RunError, VerifyReport> {
  return attempt<RunError, VerifyReport>(async (get) => {
    await env.device.activate();
    const verified = await get(verifyRun(env.store, run));
    if (verified.problems.some(({ type }) => !HARMLESS.includes(type))) return verified;
    const { state: head, events } = await get(readRun(env.store, run));
    const otherCode = await codeChange(env, run, head);
    const report = { ...verified, ...(otherCode && { otherCode }) };
    const changes = environmentChanges(head.environment!, env.device.environment);
    if (changes.length > 0) fail({ type: "EnvironmentChanged", changes });
    const moved = plain(events).findLast(({ type, data }) =>
      type === "RunResumed" && "environment" in data
    );
    if (moved?.type === "RunResumed") {
      const { backend } = startOf(events).environment;
      fail({ type: "ComputedElsewhere", run, from: 1, to: moved.data.step, backend });
    }
    const plans = plansOf(run, task as TaskSource);
    const replayed = await attempt<RunError, VerifyReport>(async (get) => {
      const contents = { base: initialState, events };
      const log = { recent: contents, whole: () => Promise.resolve(contents), snapshots: [] };
      const { state, runState, history, pending } = await restoreState(env, plans, log, -1);
      const recorder = recorderFrom({ state: runState, history, pending });
      const loop = { env, run, plans, recorder, heals: () => false, get };
      release(tensorsOf(await takeStretches(loop, state, head.step)));
      if (recorder.next()?.type === "RunCompleted") await recorder.record({ type: "CompleteRun" });
      const extra = recorder.next();
      if (extra !== undefined) return withProblem(report, notRecomputed(extra, head.step));
      return { ...report, replay: { steps: head.step, compared: recorder.compared() } };
    })();
    if (E.isRight(replayed)) return replayed.right;
    const error = replayed.left;
    if (error.type !== "Diverged") return fail(error);
    return withProblem(report, {
      type: "Diverged",
      step: error.step,
      message: describeError(error),
    });
  });
}

function withProblem(report: VerifyReport, problem: Problem): VerifyReport {
  return { ...report, ok: false, problems: [...report.problems, problem] };
}

/** An event at the end of the log that the training does not lead to. */
function notRecomputed(event: RunEvent, step: number): Problem {
  const message = `The log ends in ${event.type}, which no recomputation makes`;
  return { type: "HistoryFlawed", step, message };
}

function plain(events: readonly RecordedEvent[]): readonly RunEvent[] {
  return events.map(({ event }) => event);
}

function startOf(events: readonly RecordedEvent[]): RunStarted["data"] {
  return (events[0]!.event as RunStarted).data;
}
