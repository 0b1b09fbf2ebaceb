import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { environmentChanges } from "../core/environment.ts";
import type { RunEvent, RunStarted } from "../core/event.ts";
import { historyFlaw } from "../core/history_flaw.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { RunId } from "../core/run_id.ts";
import type { SnapshotRef } from "../core/run_state.ts";
import { attempt, fail } from "../ports/attempt.ts";
import type { LogError, TornTail } from "../ports/event_log.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { Store } from "../ports/store.ts";
import type { Task } from "../ports/task.ts";
import type { HostBatch } from "../train/loss.ts";
import { release } from "../train/ownership.ts";
import { tensorsOf } from "../train/train_state.ts";
import type { Tree } from "../train/tree.ts";
import { checkContinuation } from "./check_continuation.ts";
import { describeError } from "./describe_error.ts";
import type { RunError } from "./errors.ts";
import { planOf } from "./plan.ts";
import { readRun } from "./read_run.ts";
import { recorderFrom } from "./recorder.ts";
import { restoreState } from "./restore_state.ts";
import { takeSteps } from "./step_loop.ts";

/** What a verification found. */
export interface VerifyReport {
  readonly ok: boolean;
  readonly run: RunId;
  /** Events whose digest and place in the chain were checked. */
  readonly events: number;
  /** Steps that the log holds, each once and in order. */
  readonly steps: number;
  /** Snapshots whose every byte was checked. */
  readonly snapshots: number;
  /** Present when the steps were recomputed: how many, and how many events were compared. */
  readonly replay?: { readonly steps: number; readonly compared: number };
  /** A last line that was never acknowledged: no fault, and cut off when the run goes on. */
  readonly torn?: TornTail;
  readonly problems: readonly Problem[];
}

/** Something that is not as it should be. */
export interface Problem {
  readonly type:
    | "LogDamaged"
    | "HistoryFlawed"
    | "SnapshotUnreadable"
    | "SnapshotDiffers"
    | "Diverged";
  /** The first step that is wrong, where one can be named. */
  readonly step?: number;
  readonly position?: number;
  readonly message: string;
}

/**
 * Checks a run's integrity: the digest and link of every event, the order of its history, and every
 * byte of every snapshot that its log names. Reads everything, writes nothing.
 */
export function verifyRun(store: Store, run: RunId): TaskEither<RunError, VerifyReport> {
  return attempt<RunError, VerifyReport>(async (get) => {
    const read = await readRun(store, run)();
    if (E.isLeft(read)) {
      if (read.left.type === "LogDamaged") return damagedReport(run, read.left);
      return fail(read.left);
    }
    const { events, state, torn } = read.right;
    const problems: Problem[] = [];
    const flaw = historyFlaw(events.map(({ event }) => event));
    if (flaw !== undefined) {
      const { position, reason } = flaw;
      const message = `History is wrong at position ${position}: ${reason}`;
      problems.push({ type: "HistoryFlawed", position, message });
    }
    for (const ref of state.snapshots) {
      const problem = await get(checkSnapshot(store, ref));
      if (problem !== undefined) problems.push(problem);
    }
    return {
      ok: problems.length === 0,
      run,
      events: events.length,
      steps: state.step,
      snapshots: state.snapshots.length,
      ...(torn && { torn }),
      problems,
    };
  });
}

/**
 * Recomputes a run from its initial state to the head of its log and compares every event and every
 * snapshot's state with what was recorded, after checking its integrity. Writes nothing.
 */
export function replayRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: Task<P, B>,
): TaskEither<RunError, VerifyReport> {
  return attempt<RunError, VerifyReport>(async (get) => {
    await env.device.activate();
    const report = await get(verifyRun(env.store, run));
    if (report.problems.some(({ type }) => type !== "SnapshotUnreadable")) return report;
    const { state: head, events } = await get(readRun(env.store, run));
    checkContinuation(run, head, task, {});
    const changes = environmentChanges(head.environment!, env.device.environment);
    if (changes.length > 0) fail({ type: "EnvironmentChanged", changes });
    const moved = plain(events).findLast(({ type, data }) =>
      type === "RunResumed" && "environment" in data
    );
    if (moved?.type === "RunResumed") {
      const { backend } = startOf(events).environment;
      fail({ type: "ComputedElsewhere", run, from: 1, to: moved.data.step, backend });
    }
    const plan = planOf(task, head.config!);
    const replayed = await attempt<RunError, VerifyReport>(async (get) => {
      const restored = await restoreState(env, plan, plain(events), -1);
      const { runState, pending } = restored;
      const recorder = recorderFrom({ state: runState, pending });
      release(
        tensorsOf(await takeSteps({ env, run, plan, recorder, get }, restored.state, head.step)),
      );
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

function checkSnapshot(
  store: Store,
  { step, snapshot, state }: SnapshotRef,
): TaskEither<RunError, Problem | undefined> {
  return attempt<RunError, Problem | undefined>(async () => {
    const found = await store.snapshots.get(snapshot)();
    if (E.isLeft(found)) {
      const { type } = found.left;
      if (type === "SnapshotsUnavailable" || type === "NewerSnapshot") return fail(found.left);
      return { type: "SnapshotUnreadable", step, message: describeError(found.left) };
    }
    const manifest = await store.snapshots.manifest(snapshot)();
    if (E.isLeft(manifest)) return fail(manifest.left);
    if (manifest.right.step === step && manifest.right.state === state) return undefined;
    const message = `The snapshot that the log names for step ${step} is of step ` +
      `${manifest.right.step}, or of another state`;
    return { type: "SnapshotDiffers", step, message };
  });
}

function damagedReport(
  run: RunId,
  error: Extract<LogError, { type: "LogDamaged" }>,
): VerifyReport {
  const { position } = error; // the events before it were read, each link of them checked
  const problem = { type: "LogDamaged", position, message: describeError(error) } as const;
  return { ok: false, run, events: position, steps: 0, snapshots: 0, problems: [problem] };
}

function plain(events: readonly RecordedEvent[]): readonly RunEvent[] {
  return events.map(({ event }) => event);
}

function startOf(events: readonly RecordedEvent[]): RunStarted["data"] {
  return (events[0]!.event as RunStarted).data;
}
