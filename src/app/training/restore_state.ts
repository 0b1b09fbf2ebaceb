import * as E from "fp-ts/Either.js";
import { apart } from "../../codec/apart.ts";
import { historyDigest, NO_HISTORY } from "../../codec/history_digest.ts";
import { startOfData } from "../../core/data_cursor.ts";
import type { Digest } from "../../core/digest.ts";
import type { RunEvent } from "../../core/event.ts";
import { livePath } from "../../core/live_path.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import { historyOfOrigin } from "../../core/run_origin.ts";
import type { RunState, SnapshotRef } from "../../core/run_state.ts";
import type { Snapshot, SnapshotId } from "../../core/snapshot.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { LogContents } from "../../ports/event_log.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { SnapshotError } from "../../ports/snapshot_store.ts";
import { foldOf } from "../../ports/fold_log.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import { describeSnapshotError, short } from "../errors/describe_error.ts";
import { initialStateOf, type Plan, type Plans } from "./plan.ts";
import type { RunError } from "../errors/errors.ts";
import { divergence } from "./recorder.ts";
import { digestOfState, snapshotOf, stateOf } from "./state_snapshot.ts";

/** A training state and the place in the log at which it stood. */
export interface RestoredState {
  readonly state: TrainState;
  /** The snapshot that it came from; none for the initial state. */
  readonly snapshot?: SnapshotId;
  /** The fold of the events up to the state. */
  readonly runState: RunState;
  /** The digest of the history up to the state. */
  readonly history: Digest;
  /** The events after it on the live path: what has to be recomputed. */
  readonly pending: readonly RunEvent[];
}

/** A run's log: its end, which is at hand, and all of it, which takes longer to read. */
export interface RestoredLog {
  readonly recent: LogContents;
  readonly whole: () => Promise<LogContents>;
  /** The snapshots that may be used. */
  readonly snapshots: readonly SnapshotRef[];
  /** The events before this position are those that count; all of them unless given. */
  readonly end?: number;
  /** Compares the history that a snapshot commits to with the log's, where all of the log is at hand. */
  readonly proves?: boolean;
}

/**
 * The nearest state at or before `step` that the run can offer: its newest readable snapshot, else
 * the initial state. A snapshot that is missing, damaged or another than the log says is reported and
 * passed over. So is one that commits to another history, where that is looked at: what led to it was
 * rewritten since, and recomputing it tells what.
 *
 * Fails with Diverged where the initial state is not the one that the run recorded, and with OriginMissing
 * where a fork's first snapshot cannot be read.
 */
export async function restoreState(
  env: RunEnv,
  plans: Plans,
  log: RestoredLog,
  step: number,
): Promise<RestoredState> {
  const candidates = log.snapshots.filter((ref) => ref.step <= step).reverse();
  for (const ref of candidates) {
    const snapshot = await readSnapshot(env, ref);
    if (snapshot === undefined) continue;
    // That of a fork's beginning has the history of the parent, or names a file.
    const history = ref.reason === "forked" ? undefined : snapshot.history;
    const position = ref.position + 1;
    const reaches = history !== undefined && log.recent.base.version <= position;
    const contents = reaches ? log.recent : await wholeOf(log);
    const proves = log.proves === true && contents.base.version === 0;
    const place = placeAt(contents, position, log.end, proves ? undefined : history);
    const expected = ref.reason === "forked"
      ? historyOfOrigin(place.runState.origin!)
      : place.history;
    if (!isOf(env, ref, snapshot, expected)) continue;
    const state = stateOf(await plans.at(place.runState), snapshot);
    return { state, snapshot: ref.snapshot, ...place };
  }
  const contents = await wholeOf(log);
  const place = placeAt(contents, 1, log.end);
  const plan = await plans.at(place.runState);
  return { state: await initialState(env, plan, contents), ...place };
}

/** Whether a snapshot commits to this history; says so where it commits to another. */
function isOf(
  { reporter }: RunEnv,
  { step }: SnapshotRef,
  { history = "" }: Snapshot,
  expected: Digest,
): boolean {
  if (history === "" || history === expected) return true; // older snapshots commit to none
  const [log, found] = apart(expected, history);
  const reason = `it belongs to another history than the log's: expected ${log}, found ${found}`;
  reporter?.report({ type: "SnapshotSkipped", step, reason });
  return false;
}

async function wholeOf({ recent, whole }: RestoredLog): Promise<LogContents> {
  return recent.base.version === 0 ? recent : await whole();
}

/** The snapshot that the log names, or undefined, said why, where it cannot be used. */
async function readSnapshot(
  { store, reporter }: RunEnv,
  { step, snapshot: id, state, cursor }: SnapshotRef,
): Promise<Snapshot | undefined> {
  const read = await attempt<SnapshotError, Snapshot>(async (get) => {
    const manifest = await get(store.snapshots.manifest(id));
    const { epoch, index } = manifest.cursor;
    const isThere = epoch === cursor.epoch && index === cursor.index;
    if (manifest.step === step && manifest.state === state && isThere) {
      return await get(store.snapshots.get(id));
    }
    const reason = `it is of step ${manifest.step} and state ${short(manifest.state)}, ` +
      `at sample ${index} of epoch ${epoch}`;
    return fail({ type: "SnapshotDamaged", id, place: "its manifest", reason });
  })();
  if (E.isRight(read)) return read.right;
  // A snapshot of a newer format is no damage: training on without it would lose what it knows.
  if (read.left.type === "NewerSnapshot") return fail(read.left);
  reporter?.report({ type: "SnapshotSkipped", step, reason: describeSnapshotError(read.left) });
  return undefined;
}

/** The place in the log before the event at `position`; `history` where it is known already. */
function placeAt(
  { base, events }: LogContents,
  position: number,
  end = Infinity,
  history?: Digest,
): Omit<RestoredState, "state" | "snapshot"> {
  const path = livePath(events, base.version).filter((placed) => placed.position < end);
  const before = path.filter((placed) => placed.position < position);
  return {
    runState: foldOf({ base, events: before }),
    history: history ?? plain(before).reduce(historyDigest, NO_HISTORY),
    pending: plain(path.slice(before.length)),
  };
}

/** The state at step 0, which must be the one that the run started from. */
async function initialState(
  env: RunEnv,
  plan: Plan,
  { events }: LogContents,
): Promise<TrainState> {
  const started = events[0]!.event;
  if (started.type === "RunStarted" && started.data.origin !== undefined) {
    fail({ type: "OriginMissing", origin: started.data.origin } satisfies RunError);
  }
  const state = initialStateOf(plan);
  const digest = digestOfState(
    await snapshotOf(env.device, state, {
      task: plan.task.name,
      cursor: startOfData,
    }),
  );
  if (started.type === "RunStarted" && started.data.state !== digest) {
    release(tensorsOf(state));
    const actual: RunEvent = { ...started, data: { ...started.data, state: digest } };
    fail(divergence(started, actual, 0));
  }
  return state;
}

function plain(events: readonly RecordedEvent[]): readonly RunEvent[] {
  return events.map(({ event }) => event);
}
