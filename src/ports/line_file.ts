import type { TaskEither } from "fp-ts/TaskEither.js";

/** A file of lines that is there as a whole or not at all. */
export interface LineFile {
  /** Adds a line, and its line feed. */
  readonly write: (line: string) => TaskEither<LineFileError, void>;
  /**
   * Makes the lines durable and then gives the file its name. Where that is taken by the same bytes, they
   * stay as they are. Fails with FileExists where it is taken by others.
   */
  readonly publish: () => TaskEither<LineFileError, void>;
  /** Takes the file away again, unless it has been published. */
  readonly discard: () => Promise<void>;
}

/** Why a file of lines could not be written. */
export type LineFileError =
  | {
    /** There is another file in its place, which nobody said could go. */
    readonly type: "FileExists";
    readonly place: string;
  }
  | {
    readonly type: "FileUnavailable";
    readonly action: string;
    readonly place: string;
    readonly reason: string;
  };
