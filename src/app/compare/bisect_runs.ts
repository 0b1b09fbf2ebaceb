import type { TaskEither } from "fp-ts/TaskEither.js";
import { livePath } from "../../core/live_path.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { attempt, type Await } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import type { Tree } from "../../train/tree.ts";
import type { ComparedRun } from "./diff_runs.ts";
import type { RunError } from "../errors/errors.ts";
import type { EventDifference } from "./event_difference.ts";
import { firstParting, lastEqualState, type Parting } from "./first_parting.ts";
import { explainingPremises, type PremiseDifference, premiseDifference } from "./premises.ts";
import type { Recomputation } from "../replay/reach_state.ts";
import { readRun, type RecordedRun } from "../reading/read_run.ts";
import { recomputeState } from "../replay/recompute_state.ts";
import { recomputeWindow, type WindowStates, type WindowStop } from "../replay/recompute_window.ts";
import { pastState } from "../replay/rewind.ts";
import { type StateDifference, stateDifference } from "./state_difference.ts";

/** Where two runs part, and why: plain data, JSON as it is. */
export interface BisectReport extends PremiseDifference {
  /** Whether any step that both have differs. */
  readonly parts: boolean;
  readonly a: BisectedRun;
  readonly b: BisectedRun;
  /** The last step before that whose states are equal, by both logs or by recomputation; absent where none is. */
  readonly equal?: number;
  /** The first step whose states differ, or, where they cannot be had, the first known to differ in anything. */
  readonly different?: number;
  /** The first event that differs, where one does. */
  readonly event?: EventDifference;
  /** How the states of the step `different` differ, where recomputation found them to. */
  readonly state?: StateDifference;
  /** Absent where the runs do not part. */
  readonly cause?: PartingCause;
}

/** One of the two runs, and what became of its recomputation. */
export interface BisectedRun extends ComparedRun {
  /** Of the window in which they part, all of it as recorded; absent where nothing was recomputed. */
  readonly recomputation?: Recomputation;
  /** Why it cannot be recomputed as its log has it. */
  readonly stopped?: WindowStop;
}

/**
 * Why two runs part. "premises": both are what their logs say, and these settings, data and the like are not
 * the same. "log": these runs are not what their settings and data lead to here, so that what their logs
 * say, or what computed them, is wrong. "unknown": one cannot be recomputed here, or what differs is not in
 * the logs.
 */
export type PartingCause =
  | { readonly type: "premises"; readonly names: readonly string[] }
  | { readonly type: "log"; readonly runs: readonly RunId[] }
  | { readonly type: "unknown" };

/** What two runs are recomputed with. */
export interface BisectOptions<P extends Tree = Tree, B extends HostBatch = HostBatch> {
  /** The task of the second run, where it is another one than the first's. */
  readonly taskOfB?: TaskSource<P, B>;
}

/**
 * The first step after which the states of two runs differ: within the window that their logs leave open (see
 * `firstParting`), both are recomputed, each compared with its own log, and their states with each other by
 * their fingerprints. Of the step found the states are compared leaf by leaf. Writes nothing.
 *
 * A run that diverges from its own log is reported, as is one that cannot be recomputed here: computed in
 * another environment, or of other data than the task's.
 */
export function bisectRuns<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  a: RunId,
  b: RunId,
  task: TaskSource<P, B>,
  { taskOfB = task }: BisectOptions<P, B> = {},
): TaskEither<RunError, BisectReport> {
  return attempt<RunError, BisectReport>(async (get) => {
    const [one, other] = [await get(readRun(env.store, a)), await get(readRun(env.store, b))];
    const compared = { a: comparedOf(one), b: comparedOf(other) };
    const events = [one, other].map((run) => livePath(run.events).map(({ event }) => event));
    const found = firstParting(events[0]!, events[1]!);
    // What changes after the last step that both have parts none of them.
    if (found === undefined || found.different > Math.min(one.state.step, other.state.step)) {
      const equal = lastEqualState(events[0]!, events[1]!);
      const premises = premiseDifference(one.state, other.state);
      return { parts: false, ...compared, ...(equal !== undefined && { equal }), ...premises };
    }
    await env.device.activate();
    const sides: readonly [Side, Side] = [
      { recorded: one, source: task as TaskSource },
      { recorded: other, source: taskOfB as TaskSource },
    ];
    return await reportOf(env, sides, found, get);
  });
}

/** A run and what it is recomputed with. */
interface Side {
  readonly recorded: RecordedRun;
  readonly source: TaskSource;
}

async function reportOf(
  env: RunEnv,
  sides: readonly [Side, Side],
  found: Parting,
  get: Await<RunError>,
): Promise<BisectReport> {
  const [a, b] = sides.map(({ recorded }) => comparedOf(recorded)) as [ComparedRun, ComparedRun];
  const begin = Math.max(a.from, b.from);
  const to = found.different;
  // Where the states are equal and something else of the step is not, that step is recomputed too.
  const from = Math.max(begin, Math.min(found.equal ?? begin, to - 1));
  const [one, other] = [
    await recomputeWindow(env, sides[0].recorded, sides[0].source, from, to),
    await recomputeWindow(env, sides[1].recorded, sides[1].source, from, to),
  ];
  const step = firstDifferent(one, other);
  const whole = one.stopped === undefined && other.stopped === undefined;
  const equal = whole ? lastEqual(one, other, step ?? to) ?? found.equal : found.equal;
  const [before, after] = sides.map(({ recorded }) => stateAt(recorded, to)) as [
    RunState,
    RunState,
  ];
  return {
    parts: true,
    a: bisectedOf(a, one),
    b: bisectedOf(b, other),
    ...(equal !== undefined && { equal }),
    different: step ?? to,
    ...(found.event && { event: found.event }),
    ...(step !== undefined && { state: await differenceAt(env, sides, step, get) }),
    ...premiseDifference(before, after),
    cause: causeOf([[a.run, one], [b.run, other]], explainingPremises(before, after)),
  };
}

function comparedOf({ run, state }: RecordedRun): ComparedRun {
  return { run, from: state.origin?.step ?? 0, to: state.step };
}

function bisectedOf(
  compared: ComparedRun,
  { recomputation, stopped }: WindowStates,
): BisectedRun {
  return { ...compared, ...(recomputation && { recomputation }), ...(stopped && { stopped }) };
}

/** What a run says of itself at a step: the settings are those that the step was taken with. */
function stateAt({ events, state }: RecordedRun, step: number): RunState {
  return pastState(events, step)?.state ?? state;
}

function firstDifferent(a: WindowStates, b: WindowStates): number | undefined {
  return stepsOfBoth(a, b).find((step) => a.states.get(step) !== b.states.get(step));
}

function lastEqual(a: WindowStates, b: WindowStates, to: number): number | undefined {
  return stepsOfBoth(a, b).findLast((step) =>
    step <= to && a.states.get(step) === b.states.get(step)
  );
}

function stepsOfBoth(a: WindowStates, b: WindowStates): readonly number[] {
  return [...a.states.keys()].filter((step) => b.states.has(step)).sort((x, y) => x - y);
}

async function differenceAt(
  env: RunEnv,
  sides: readonly [Side, Side],
  step: number,
  get: Await<RunError>,
): Promise<StateDifference> {
  const [a, b] = sides;
  const one = await get(recomputeState(env, a.recorded, a.source, step));
  const other = await get(recomputeState(env, b.recorded, b.source, step));
  return stateDifference(one.snapshot, other.snapshot);
}

function causeOf(
  runs: readonly (readonly [RunId, WindowStates])[],
  names: readonly string[],
): PartingCause {
  const diverged = runs.filter(([, { stopped }]) => stopped?.type === "Diverged");
  if (diverged.length > 0) return { type: "log", runs: diverged.map(([run]) => run) };
  const whole = runs.every(([, { stopped }]) => stopped === undefined);
  return whole && names.length > 0 ? { type: "premises", names } : { type: "unknown" };
}
