import type { TaskEither } from "fp-ts/TaskEither.js";
import {
  firstStep,
  type ReplaySegment,
  replaySegments,
  segmentsWithin,
  type StepRange,
} from "../../core/replay_segments.ts";
import { abandonedBranches } from "../../core/live_path.ts";
import type { RunId } from "../../core/run_id.ts";
import { chanceOfCatching, type Draw, sampleOf } from "../../core/sample.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import type { Tree } from "../../train/tree.ts";
import { requireSegmentsHere } from "./require_segments_here.ts";
import { branchOfRun } from "../reading/branch_of_run.ts";
import { codeChange } from "../training/check_code.ts";
import { plansOf } from "../training/plan.ts";
import { readRun, type RecordedRun } from "../reading/read_run.ts";
import type { RunError } from "../errors/errors.ts";
import { replayProblem } from "./replay_problem.ts";
import { replayAll } from "./replay_all.ts";
import type { SegmentWorkers } from "./segment_workers.ts";
import { type Problem, type VerifyReport, verifyRun } from "../upkeep/verify_run.ts";

/** Problems after which nothing can be recomputed: nobody knows what was to be computed. */
const FATAL: readonly Problem["type"][] = ["LogDamaged", "HistoryFlawed"];

/** What of a run is recomputed, and where. */
export interface ReplayOptions extends StepRange {
  /** The Nth branch that the run has left, and nothing else. */
  readonly branch?: number;
  /** Takes some of the segments at random; all of them unless given. */
  readonly sample?: {
    /** How many; all where there are no more. */
    readonly count: number;
    /** The source of chance: `systemDraw`, or another that nobody can foresee. */
    readonly draw: Draw;
  };
  /** Where the segments are recomputed; one after the other in this thread unless given. Borrowed. */
  readonly workers?: SegmentWorkers;
}

/**
 * Recomputes a run and compares every event and every snapshot's state with what was recorded, after
 * checking its integrity. Writes nothing.
 *
 * The run is recomputed in segments from each kept snapshot to the next, each apart from the others. The
 * state at the end of one is what the next one begins with, so together they prove the whole run. A
 * snapshot that is unreadable, or not what the log says, is none to begin with. All differences are in
 * `replay.segments`; the problem that the report names is the one of the lowest step. Where the log is
 * damaged, or its history cannot be, nothing is recomputed.
 *
 * Other code than the run's may recompute it: the comparison proves it, and the report says in what it
 * differs. Of a run that went back all branches are recomputed, unless one or some steps are asked for. Fails with StepsOutside where the run has no such
 * steps.
 */
export function replayRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: TaskSource<P, B>,
  options: ReplayOptions = {},
): TaskEither<RunError, VerifyReport> {
  return attempt<RunError, VerifyReport>(async (get) => {
    await env.device.activate();
    const verified = await get(verifyRun(env.store, run));
    if (verified.problems.some(({ type }) => FATAL.includes(type))) return verified;
    const whole = await get(readRun(env.store, run));
    const recorded = branchOfRun(whole, options.branch);
    const otherCode = await codeChange(env, run, recorded.state);
    const report = { ...verified, ...(otherCode && { otherCode }) };
    const plans = plansOf(run, task as TaskSource);
    await plans.at(recorded.state); // fails where it is not the run's task
    const within = segmentsAsked(whole, recorded, report.problems, options);
    const { sample, workers } = options;
    const segments = sample ? sampleOf(within, sample.count, sample.draw) : within;
    for (const [branch, own] of Map.groupBy(segments, ({ branch }) => branch)) {
      const { events } = branchOfRun(whole, branch);
      requireSegmentsHere(run, events, own, env.device.environment);
    }
    env.reporter?.report({
      type: "Replaying",
      run,
      segments: segments.length,
      of: within.length,
      steps: sum(segments, ({ from, to }) => to - from),
      workers: Math.min(workers?.count ?? 1, segments.length),
    });
    const replays = await replayAll(env, whole, plans, segments, workers);
    const problem = replayProblem(replays);
    const problems = problem === undefined ? report.problems : [...report.problems, problem];
    return {
      ...report,
      ok: problems.length === 0,
      replay: {
        steps: sum(replays, ({ steps }) => steps),
        compared: sum(replays, ({ compared }) => compared),
        fingerprints: sum(replays, ({ fingerprints }) => fingerprints),
        segments: replays,
        ...(sample && {
          of: within.length,
          chance: chanceOfCatching(segments.length, within.length),
        }),
      },
      problems,
    };
  });
}

/**
 * What is asked for: of the branch that is named, else of the live one, and where no steps are named of all
 * others too, as far as they are not shared.
 */
function segmentsAsked(
  whole: RecordedRun,
  recorded: RecordedRun,
  problems: readonly Problem[],
  options: ReplayOptions,
): readonly ReplaySegment[] {
  const { branch, from, to } = options;
  const asked = segmentsOf(recorded, problems, options);
  if (branch !== undefined) return asked.map((segment) => ({ ...segment, branch }));
  if (from !== undefined || to !== undefined) return asked;
  const left = abandonedBranches(whole.events).flatMap(({ from, path }, index) => {
    const branch = index + 1;
    const ends = branchOfRun(whole, branch);
    if (ends.state.step === from || path.length === 0) return [];
    return segmentsOf(ends, problems, { from }).map((segment) => ({ ...segment, branch }));
  });
  return [...asked, ...left].map((segment, index) => ({ ...segment, number: index + 1 }));
}

/** The segments of the steps that are asked for; none begins with a snapshot that has a problem. */
function segmentsOf(
  { run, state: head }: RecordedRun,
  problems: readonly Problem[],
  range: StepRange,
): readonly ReplaySegment[] {
  const first = firstStep(head);
  const { from = first, to = head.step } = range;
  const asksAll = range.from === undefined && range.to === undefined;
  if (
    !asksAll && !(first <= from && from < head.step && first < to && to <= head.step && from <= to)
  ) {
    fail({ type: "StepsOutside", run, from, to, first, head: head.step } satisfies RunError);
  }
  const unusable = problems
    .filter(({ type }) => type === "SnapshotUnreadable" || type === "SnapshotDiffers")
    .flatMap(({ step }) => step ?? []);
  return segmentsWithin(replaySegments(head, new Set(unusable)), range);
}

function sum<A>(items: readonly A[], amount: (item: A) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}
