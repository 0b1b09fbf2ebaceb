import * as TE from "fp-ts/TaskEither.js";
import {
  attempt,
  type LogWriter,
  type Notice,
  type SnapshotError,
  type SnapshotId,
  type Store,
  type StoredSnapshot,
} from "foldlog";

/** What a process does that others can see, and how much of it takes effect as it is killed. */
export interface Dying {
  readonly operation: "append" | "put" | "report";
  /** The number of the operation, the first being 0. */
  readonly n: number;
  /** Of an append maybe a part. */
  readonly effect: "none" | "part" | "whole";
}

/** What is thrown where a report is the last that a process does. */
export class Killed extends Error {}

/**
 * A store as a process sees it that dies at one of its operations: from then on nothing has an effect. Only
 * the lease is given back, as the system does.
 */
export function dyingStore(store: Store, dying: Dying | undefined): {
  readonly store: Store;
  readonly report: (notice: Notice) => void;
  readonly dead: () => boolean;
} {
  let left = dying?.n ?? Infinity;
  let isDead = false;
  const reason = "the process was killed";
  const noLog = TE.left({ type: "LogUnavailable", action: "work", place: "test", reason } as const);
  const noSnapshots = TE.left(
    { type: "SnapshotsUnavailable", action: "work", place: "test", reason } as const,
  );

  function living<Failure, A>(
    operation: Dying["operation"],
    work: TE.TaskEither<Failure, A>,
    part: TE.TaskEither<Failure, unknown>,
    failure: TE.TaskEither<Failure, never>,
  ): TE.TaskEither<Failure, A> {
    return async () => {
      if (isDead) return await failure();
      if (operation !== dying?.operation || left-- > 0) return await work();
      isDead = true;
      if (dying.effect === "whole") await work();
      if (dying.effect === "part") await part();
      return await failure();
    };
  }

  const mortal = (writer: LogWriter): LogWriter => ({
    ...writer,
    append: (events, version) => {
      const part = writer.append(events.slice(0, -1), version);
      return living("append", writer.append(events, version), part, noLog);
    },
  });
  const { log, snapshots } = store;
  return {
    dead: () => isDead,
    report() {
      if (isDead) throw new Killed();
      if (dying?.operation !== "report" || left-- > 0) return;
      isDead = true;
      throw new Killed();
    },
    store: {
      ...store,
      log: { ...log, open: (run) => TE.map(mortal)(log.open(run)) },
      snapshots: {
        ...snapshots,
        put: (run, snapshot) => {
          const put = TE.map(releasedIfDead)(snapshots.put(run, snapshot));
          const nothing = TE.right(undefined);
          return living("put", put, nothing, noSnapshots);
        },
      },
    },
  };

  function releasedIfDead(stored: StoredSnapshot): StoredSnapshot {
    if (isDead) stored.release();
    return stored;
  }
}

/** A store in which some snapshots are missing, until they are stored again. */
export function losingStore(store: Store, lost: Set<SnapshotId>): Store {
  const { snapshots } = store;
  const unlessLost = <A>(id: SnapshotId, found: TE.TaskEither<SnapshotError, A>) =>
    lost.has(id)
      ? TE.left<SnapshotError, A>({ type: "SnapshotMissing", id, place: "test" })
      : found;
  return {
    ...store,
    snapshots: {
      ...snapshots,
      get: (id) => unlessLost(id, snapshots.get(id)),
      manifest: (id) => unlessLost(id, snapshots.manifest(id)),
      put: (run, snapshot) =>
        attempt(async (get) => {
          const stored = await get(snapshots.put(run, snapshot));
          lost.delete(stored.id);
          return stored;
        }),
    },
  };
}
