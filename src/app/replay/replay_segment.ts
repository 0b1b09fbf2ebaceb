import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { differingLeaves, leafDigests, stateDigest } from "../../codec/snapshot_codec.ts";
import type { RunEvent } from "../../core/event.ts";
import { initialState } from "../../core/evolve.ts";
import { firstStep, type ReplaySegment } from "../../core/replay_segments.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import { requireSegmentsHere } from "./require_segments_here.ts";
import { branchOfRun } from "../reading/branch_of_run.ts";
import type { Divergence, RunError } from "../errors/errors.ts";
import type { Plans } from "../training/plan.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { divergence, type Recorder, recorderAt } from "../training/recorder.ts";
import { type RestoredLog, restoreState } from "../training/restore_state.ts";
import { snapshotOf } from "../training/state_snapshot.ts";
import { takeStretches } from "../training/stretches.ts";

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
  whole: RecordedRun,
  plans: Plans,
  segment: ReplaySegment,
): TaskEither<RunError, SegmentReplay> {
  return attempt<RunError, SegmentReplay>(async () => {
    await env.device.activate();
    const recorded = branchOfRun(whole, segment.branch);
    const { run, events } = recorded;
    requireSegmentsHere(run, events, [segment], env.device.environment);
    let begun: Begun | undefined;
    const result = await attempt<RunError, RunEvent | undefined>(async (get) => {
      const restored = await restoreState(env, plans, startOf(recorded, segment), segment.from);
      const { state } = restored;
      const recorder = recorderAt(restored);
      begun = { from: state.step, recorder };
      const loop = { env, run, plans, recorder, heals: () => false, get };
      const end = await takeStretches(loop, state, segment.to);
      try {
        await compareMaterialized(env, recorded, segment, end, recorder);
      } finally {
        release(tensorsOf(end));
      }
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

/** The log up to the end of a segment, with the snapshots that it may begin with. */
function startOf({ state: head, events }: RecordedRun, { end }: ReplaySegment): RestoredLog {
  const contents = { base: initialState, events };
  // One of the initial state proves nothing: what the run begins with is made, or is a fork's.
  const snapshots = head.snapshots.filter(({ step, reason }) =>
    step > firstStep(head) || reason === "forked"
  );
  return { recent: contents, whole: () => Promise.resolve(contents), snapshots, end };
}

/** Compares the state at the end with a snapshot that was made later: the log has no event of it there. */
async function compareMaterialized(
  { device, store }: RunEnv,
  { state: head, events }: RecordedRun,
  { to, end }: ReplaySegment,
  state: TrainState,
  recorder: Recorder,
): Promise<void> {
  const made = head.snapshots.find(({ step, position, reason }) =>
    step === to && position === end - 1 && reason === "materialized"
  );
  const event = events.findLast(({ event }) =>
    event.type === "SnapshotMaterialized" && event.data.snapshot === made?.snapshot
  )?.event;
  if (made === undefined || event?.type !== "SnapshotMaterialized") return;
  const { cursor } = recorder.state();
  const leaves = leafDigests((await snapshotOf(device, state, { task: "", cursor })).groups);
  const digest = stateDigest(leaves);
  if (digest === made.state) return;
  const before = await store.snapshots.manifest(made.snapshot)();
  const names = E.isRight(before) ? differingLeaves(before.right.leaves, leaves) : [];
  fail(divergence(event, { ...event, data: { ...event.data, state: digest } }, to, names));
}

/** A recomputation from the state at step `from` on. */
interface Begun {
  readonly from: number;
  readonly recorder: Recorder;
}

function countsOf(begun: Begun | undefined) {
  if (begun === undefined) return {};
  const { from, recorder } = begun;
  return {
    from,
    steps: recorder.state().step - from,
    compared: recorder.compared(),
    fingerprints: recorder.fingerprints(),
  };
}
