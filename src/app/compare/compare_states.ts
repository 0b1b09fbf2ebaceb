import * as E from "fp-ts/Either.js";
import type { RunId } from "../../core/run_id.ts";
import type { SnapshotRef } from "../../core/run_state.ts";
import type { Snapshot } from "../../core/snapshot.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { SnapshotError } from "../../ports/snapshot_store.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";
import { type StateDifference, stateDifference } from "./state_difference.ts";

/** How a comparison gets what the store does not have. */
export interface DiffOptions {
  /**
   * The state of a step that no snapshot is kept of, by recomputation. Asked only where a step is named;
   * the comparison borrows what it gives.
   */
  readonly restore?: (run: RunId, step: number) => Promise<Snapshot>;
}

/** The states of a run that can be compared. */
export interface KeptStates {
  readonly run: RunId;
  /** The last step that is compared. */
  readonly to: number;
  /** The snapshots that are kept of the steps up to there. */
  readonly kept: readonly SnapshotRef[];
}

/**
 * In what the states of the runs' last steps differ, which somebody named.
 *
 * Fails with NoSuchSnapshot where one is not kept and cannot be had otherwise.
 */
export async function namedState(
  store: Store,
  a: KeptStates,
  b: KeptStates,
  options: DiffOptions,
): Promise<StateDifference> {
  const [one, other] = [a, b].map(({ kept, to }) => kept.find(({ step }) => step === to));
  const equal = one && other && await equalStates(store, one, other);
  if (equal) return equal;
  const states = [];
  for (const [side, ref] of [[a, one], [b, other]] as const) {
    const { run, to: step } = side;
    const read = ref && await readable(store, ref);
    const state = read ?? await options.restore?.(run, step);
    if (state === undefined) {
      const steps = commonSteps(a, b).map(({ step }) => step);
      return fail({ type: "NoSuchSnapshot", run, step, steps } satisfies RunError);
    }
    states.push(state);
  }
  return stateDifference(states[0]!, states[1]!);
}

/**
 * In what the states differ that both runs keep of one step: of the first at or after `parted`, else of
 * the newest before it. Undefined where there is none that can be read.
 */
export async function commonState(
  store: Store,
  a: KeptStates,
  b: KeptStates,
  parted = Infinity,
): Promise<StateDifference | undefined> {
  const common = commonSteps(a, b);
  const after = common.filter(({ step }) => step >= parted);
  const before = common.filter(({ step }) => step < parted).reverse();
  for (const { one, other } of [...after, ...before]) {
    const equal = await equalStates(store, one, other);
    if (equal !== undefined) return equal;
    const [first, second] = [await readable(store, one), await readable(store, other)];
    if (first !== undefined && second !== undefined) return stateDifference(first, second);
  }
  return undefined;
}

/** The steps of which both runs keep a snapshot, in order. */
function commonSteps(a: KeptStates, b: KeptStates) {
  const ofB = new Map(b.kept.map((ref) => [ref.step, ref]));
  return a.kept.flatMap((one) => {
    const other = ofB.get(one.step);
    return other === undefined ? [] : [{ step: one.step, one, other }];
  });
}

/** Where the log says that two states are equal, bit for bit, their tensors need not be read. */
async function equalStates(
  { snapshots }: Store,
  a: SnapshotRef,
  b: SnapshotRef,
): Promise<StateDifference | undefined> {
  if (a.state !== b.state) return undefined;
  const manifest = await snapshots.manifest(a.snapshot)();
  if (E.isLeft(manifest) || manifest.right.state !== a.state) return undefined;
  const leaves = Object.keys(manifest.right.leaves).length;
  return { steps: { a: a.step, b: b.step }, leaves, differing: [], onlyA: [], onlyB: [] };
}

/** A snapshot, every byte checked, or undefined where it is lost or another than the log says. */
async function readable(
  { snapshots }: Store,
  { snapshot, state }: SnapshotRef,
): Promise<Snapshot | undefined> {
  const read = await attempt<SnapshotError, Snapshot | undefined>(async (get) => {
    const manifest = await get(snapshots.manifest(snapshot));
    return manifest.state === state ? await get(snapshots.get(snapshot)) : undefined;
  })();
  if (E.isRight(read)) return read.right;
  const { type } = read.left;
  return type === "SnapshotMissing" || type === "SnapshotDamaged" ? undefined : fail(read.left);
}
