import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Durability } from "../core/durability.ts";
import type { RunEvent } from "../core/event.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";

/** Keeps the events of every run, one append-only stream a run. */
export interface EventLog {
  /** The runs that there are, sorted. */
  readonly runs: () => TaskEither<LogError, readonly RunId[]>;
  /**
   * A run's whole history, every link of its chain checked; empty where there is no such run.
   *
   * A torn last line is left out and reported: it was never acknowledged.
   */
  readonly read: (run: RunId) => TaskEither<LogError, LogContents>;
  /**
   * The end of a run's history: at least the events after its newest snapshot, each link of them checked,
   * on the state before them, which the adapter may have kept. So a long run opens quickly. An adapter
   * that keeps no state gives the whole history.
   */
  readonly recent: (run: RunId) => TaskEither<LogError, LogContents>;
  /**
   * Takes the run's lease as its only writer, and cuts off a torn last line. Creates the run on its
   * first append.
   */
  readonly open: (run: RunId) => TaskEither<LogError, LogWriter>;
  /** What a run's log takes where it is kept, in bytes; 0 where there is no such run. */
  readonly bytes: (run: RunId) => TaskEither<LogError, number>;
  /** Moves a run out of the way under a new name, which is given; nothing is destroyed. */
  readonly archive: (run: RunId) => TaskEither<LogError, string>;
  /** What the logs of archived runs hold: they keep their snapshots. */
  readonly archived: (extent: Extent) => TaskEither<LogError, readonly LogContents[]>;
  /**
   * What is kept beside a run's log and does not follow from it: one line each, empty where all is well.
   * Reads and checks the whole log.
   */
  readonly checkDerived: (run: RunId) => TaskEither<LogError, readonly string[]>;
  /**
   * Makes anew what `checkDerived` would name, and says what was made anew. Takes the run's lease
   * meanwhile; the log itself is never touched.
   */
  readonly rebuildDerived: (run: RunId) => TaskEither<LogError, readonly string[]>;
}

/** How much of a log is read and checked: as `recent` does, or all of it besides. */
export type Extent = "recent" | "whole";

/** What a log holds. */
export interface LogContents {
  /** The fold of the events before `events`; of none where these are the whole history. */
  readonly base: RunState;
  readonly events: readonly RecordedEvent[];
  /** The first and the last envelope of the log, whether or not they are among `events`; none of none. */
  readonly ends?: { readonly first: RecordedEvent; readonly last: RecordedEvent };
  /** Present when the log ended in a line that was never completely written. */
  readonly torn?: TornTail;
}

/** A last line that a crash left unfinished. */
export interface TornTail {
  readonly position: number;
  readonly bytes: number;
  /** Where it was, for people. */
  readonly place: string;
}

/** The one writer of a run. */
export interface LogWriter {
  /** What the log held when it was opened, as `recent` gives it, the torn tail already cut. */
  readonly contents: LogContents;
  /** When appends become durable: whether it is worth waiting for each. */
  readonly durability: Durability;
  /**
   * Appends events, all or a prefix of them, and resolves when they are durable.
   *
   * Appends may overlap: they are durable in the order in which they were called. `expectedVersion` is
   * the number of events that the caller knows of, those under way included. After an error the writer
   * accepts nothing more: open the run again, which finds out what is in the log.
   */
  readonly append: (
    events: readonly RunEvent[],
    expectedVersion: number,
  ) => TaskEither<LogError, readonly RecordedEvent[]>;
  /** Makes what was appended durable now, however long it might have waited for more. */
  readonly flush: () => TaskEither<LogError, void>;
  /** Makes what was appended durable, and gives the lease back. */
  readonly close: () => TaskEither<LogError, void>;
}

/** What can go wrong with a log. */
export type LogError =
  | {
    readonly type: "VersionConflict";
    readonly run: RunId;
    readonly expected: number;
    readonly actual: number;
  }
  | { readonly type: "RunLocked"; readonly run: RunId; readonly holder: string }
  | {
    readonly type: "LogDamaged";
    readonly run: RunId;
    readonly position: number;
    /** File and line, or what the adapter has in their stead. */
    readonly place: string;
    readonly reason: string;
    /** What a person can do who has no backup, where there is anything. */
    readonly withoutBackup?: string;
  }
  | {
    readonly type: "NewerLog";
    readonly run: RunId;
    readonly place: string;
    readonly found: number;
    readonly known: number;
  }
  | {
    readonly type: "LogUnavailable";
    readonly action: string;
    readonly place: string;
    readonly reason: string;
  };
