import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Digest } from "../core/digest.ts";

/** Keeps files of any kind, such as the sources of a training, under the digest of their bytes. */
export interface SourceStore {
  /**
   * Stores these files and resolves when all are durable; storing one again changes nothing, and mends what
   * is damaged. Borrows the bytes.
   *
   * What is stored is safe from `collect` of the snapshots until it is released, so append the event that
   * names it before.
   */
  readonly put: (files: readonly Uint8Array[]) => TaskEither<SourceError, StoredSources>;
  /** A file's bytes, checked against their digest; the caller owns them. */
  readonly get: (digest: Digest) => TaskEither<SourceError, Uint8Array>;
}

/** Files that are in the store. */
export interface StoredSources {
  /** In the order in which the files were given. */
  readonly digests: readonly Digest[];
  /** Says that the log names the files by now, or never will. */
  readonly release: () => void;
}

/** What can go wrong with a stored file. */
export type SourceError =
  | { readonly type: "SourceMissing"; readonly digest: Digest; readonly place: string }
  | {
    readonly type: "SourceDamaged";
    readonly digest: Digest;
    readonly place: string;
    readonly reason: string;
  }
  | {
    readonly type: "SourcesUnavailable";
    readonly action: string;
    readonly place: string;
    readonly reason: string;
  };
