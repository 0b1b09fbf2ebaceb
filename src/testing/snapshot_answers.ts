import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { describeSnapshotError } from "../app/errors/describe_error.ts";
import type { RunId } from "../core/run_id.ts";
import type { Snapshot, SnapshotId } from "../core/snapshot.ts";
import type {
  LiveObjects,
  SnapshotError,
  SnapshotStore,
  StoredSnapshot,
} from "../ports/snapshot_store.ts";

/** Stores a snapshot, takes its tensors over, and releases it. */
export async function keep(
  store: SnapshotStore,
  run: RunId,
  snapshot: Snapshot,
): Promise<Omit<StoredSnapshot, "release">> {
  const { release, ...stored } = await right(store.put(run, snapshot));
  release();
  return stored;
}

/** These snapshots, and no sources, as what logs name. */
export function liveOnly(snapshots: Iterable<SnapshotId>): LiveObjects {
  return { snapshots: new Set(snapshots), sources: new Set() };
}

/** The answer; throws for an error. */
export async function right<A>(work: TaskEither<SnapshotError, A>): Promise<A> {
  const result = await work();
  if (E.isRight(result)) return result.right;
  throw new Error(`Expected an answer, found an error: ${describeSnapshotError(result.left)}`);
}

/** The error; throws for an answer. */
export async function left(work: TaskEither<SnapshotError, unknown>): Promise<SnapshotError> {
  const result = await work();
  if (E.isLeft(result)) return result.left;
  throw new Error("Expected an error, found an answer");
}
