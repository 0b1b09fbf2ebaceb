import { abandonedBranches } from "../../core/live_path.ts";
import { evolve, initialState } from "../../core/evolve.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import { keptSnapshots, snapshotName, type SnapshotRef } from "../../core/run_state.ts";
import { fail } from "../../ports/attempt.ts";
import type { RunError } from "../errors/errors.ts";
import type { RecordedRun } from "./read_run.ts";

/**
 * A run as it was at the end of a branch that it left, the Nth in the order in which it did: the events
 * that lead there, what they fold to, and the snapshots on the way that are kept. The run itself without a
 * number. Fails with NoBranch.
 */
export function branchOfRun(recorded: RecordedRun, branch: number | undefined): RecordedRun {
  if (branch === undefined) return recorded;
  const { run, events, state: head } = recorded;
  const branches = abandonedBranches(events);
  const path = branches[branch - 1]?.path;
  if (path === undefined) {
    return fail({ type: "NoBranch", run, branch, branches: branches.length } satisfies RunError);
  }
  const folded = path.reduce((state, { event }) => evolve(state, event), initialState);
  const { abandoned: _, ...state } = folded;
  const snapshots = snapshotsOn(path, keptSnapshots(head));
  const version = path.at(-1)!.position + 1;
  return { run, events: path, state: { ...state, version, snapshots } };
}

/**
 * The kept snapshots of states on a path, each at its place there: one that was taken again on another
 * branch, the same by step and digest, is listed with that one.
 */
function snapshotsOn(
  path: readonly RecordedEvent[],
  kept: readonly SnapshotRef[],
): readonly SnapshotRef[] {
  const positions = new Set(path.map(({ position }) => position));
  const takenAt = new Map(
    path.flatMap(({ position, event: { type, data } }) =>
      type === "SnapshotTaken" ? [[snapshotName(data), position] as const] : []
    ),
  );
  const there = kept.flatMap((ref) => {
    const position = takenAt.get(snapshotName(ref)) ?? ref.position;
    return positions.has(position) ? [{ ...ref, position }] : [];
  });
  return [...new Map(there.map((ref) => [snapshotName(ref), ref])).values()]
    .sort((a, b) => a.step - b.step);
}
