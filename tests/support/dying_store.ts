import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  attempt,
  type LogWriter,
  type Notice,
  type RunEvent,
  type SnapshotError,
  type SnapshotId,
  type Store,
  type StoredSnapshot,
} from "foldlog";

/** What a process does that others can see, or could be killed at. */
export type Operation = "open" | "append" | "put" | "get" | "report";

/** At which operation of a kind a process is killed, and how much of it takes effect. */
export type Dying =
  & {
    readonly operation: Operation;
    /** Of an append maybe a part. */
    readonly effect: "none" | "part" | "whole";
  }
  & (
    /** The number of the operation, the first being 0. */
    | { readonly n: number }
    /** A step: the first operation at or after it. What is opened or read is after every step. */
    | { readonly step: number }
  );

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
  let left = dying !== undefined && "n" in dying ? dying.n : 0;
  let isDead = false;

  /** Whether the process dies at this operation. */
  function strikes(operation: Operation, step: number): boolean {
    if (operation !== dying?.operation) return false;
    return "n" in dying ? left-- <= 0 : step >= dying.step;
  }

  const reason = "the process was killed";
  const noLog = TE.left({ type: "LogUnavailable", action: "work", place: "test", reason } as const);
  const noSnapshots = TE.left(
    { type: "SnapshotsUnavailable", action: "work", place: "test", reason } as const,
  );

  function living<Failure, A>(
    operation: Operation,
    step: number,
    work: TE.TaskEither<Failure, A>,
    part: TE.TaskEither<Failure, unknown>,
    failure: TE.TaskEither<Failure, never>,
  ): TE.TaskEither<Failure, A> {
    return async () => {
      if (isDead) return await failure();
      if (!strikes(operation, step)) return await work();
      isDead = true;
      if (dying?.effect === "whole") await work();
      if (dying?.effect === "part") await part();
      return await failure();
    };
  }

  const mortal = (writer: LogWriter): LogWriter => ({
    ...writer,
    append: (events, version) => {
      const part = writer.append(events.slice(0, -1), version);
      const step = Math.max(...events.map(stepOfEvent));
      return living("append", step, writer.append(events, version), part, noLog);
    },
  });
  const { log, snapshots } = store;
  const nothing = TE.right(undefined);
  return {
    dead: () => isDead,
    report(notice) {
      if (isDead) throw new Killed();
      if (!strikes("report", "step" in notice ? notice.step : 0)) return;
      isDead = true;
      throw new Killed();
    },
    store: {
      ...store,
      log: {
        ...log,
        open: (run) => async () => {
          const opened = await log.open(run)();
          if (E.isLeft(opened) || !strikes("open", Infinity)) return E.map(mortal)(opened);
          isDead = true;
          await opened.right.close()();
          return await noLog();
        },
      },
      snapshots: {
        ...snapshots,
        put: (run, snapshot) => {
          const put = TE.map(releasedIfDead)(snapshots.put(run, snapshot));
          return living("put", snapshot.step, put, nothing, noSnapshots);
        },
        get: (id) => living("get", Infinity, snapshots.get(id), nothing, noSnapshots),
      },
    },
  };

  function releasedIfDead(stored: StoredSnapshot): StoredSnapshot {
    if (isDead) stored.release();
    return stored;
  }
}

/** The step that an event is of; 0 where it is of none. */
export function stepOfEvent({ data }: RunEvent): number {
  return "step" in data ? data.step : 0;
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
