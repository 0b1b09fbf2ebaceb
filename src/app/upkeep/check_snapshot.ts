import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { apart } from "../../codec/apart.ts";
import type { Digest } from "../../core/digest.ts";
import type { SnapshotRef } from "../../core/run_state.ts";
import type { SnapshotManifest } from "../../core/snapshot.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { SnapshotError } from "../../ports/snapshot_store.ts";
import type { Store } from "../../ports/store.ts";
import { describeSnapshotError, short } from "../errors/describe_error.ts";

/** What is wrong with a snapshot that a log names. */
export interface SnapshotFlaw {
  readonly type: "SnapshotUnreadable" | "SnapshotDiffers";
  readonly step: number;
  readonly message: string;
}

/**
 * Reads every byte of a snapshot that a log names, and compares it with what the log says: undefined
 * where all is right. `history` is that of the log before the snapshot, where the caller knows it.
 *
 * Fails where the snapshot could not be looked at, which says nothing about it.
 */
export function checkSnapshot(
  { snapshots }: Store,
  ref: SnapshotRef,
  history?: Digest,
): TaskEither<SnapshotError, SnapshotFlaw | undefined> {
  const { step, snapshot } = ref;
  return attempt<SnapshotError, SnapshotFlaw | undefined>(async () => {
    const read = await attempt<SnapshotError, SnapshotManifest>(async (get) => {
      await get(snapshots.get(snapshot));
      return await get(snapshots.manifest(snapshot));
    })();
    if (E.isRight(read)) return difference(ref, read.right, history);
    const { type } = read.left;
    if (type === "SnapshotsUnavailable" || type === "NewerSnapshot") return fail(read.left);
    return { type: "SnapshotUnreadable", step, message: describeSnapshotError(read.left) };
  });
}

function difference(
  { step, snapshot, state, cursor }: SnapshotRef,
  manifest: SnapshotManifest,
  history: Digest | undefined,
): SnapshotFlaw | undefined {
  const found = manifest.step !== step
    ? `is of step ${manifest.step}`
    : manifest.state !== state
    ? `is of the state ${apart(manifest.state, state).join(", not ")}`
    : manifest.cursor.epoch !== cursor.epoch || manifest.cursor.index !== cursor.index
    ? `is of another place in the data`
    : history !== undefined && (manifest.history ?? history) !== history
    ? `does not belong to this history: expected ${
      apart(history, manifest.history ?? "").join(", found ")
    }`
    : undefined;
  if (found === undefined) return undefined;
  const message = `Snapshot ${short(snapshot)}, which the log names for step ${step}, ${found}`;
  return { type: "SnapshotDiffers", step, message };
}
