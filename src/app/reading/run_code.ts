import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { decodeCodeManifest } from "../../codec/code_manifest_codec.ts";
import type { CodeManifest } from "../../core/code_manifest.ts";
import type { Digest } from "../../core/digest.ts";
import type { RunId } from "../../core/run_id.ts";
import { codeOfRun, type RunState } from "../../core/run_state.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";
import { readHead } from "./read_run.ts";

/** The code that computes a run now, with all its files. */
export interface RunCode {
  readonly digest: Digest;
  readonly manifest: CodeManifest;
  /** The bytes of each file by its path, which is relative and leads nowhere but below. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Reads the code that computes a run now, every byte checked. Fails with CodeUnrecorded where there is none. */
export function readCode(store: Store, run: RunId): TaskEither<RunError, RunCode> {
  return attempt<RunError, RunCode>(async (get) => {
    const { code: digest } = (await get(readHead(store, run))).state;
    if (digest === undefined) return fail({ type: "CodeUnrecorded", run } satisfies RunError);
    return await get(readFiles(store, digest));
  });
}

function readFiles(store: Store, digest: Digest): TaskEither<RunError, RunCode> {
  return attempt<RunError, RunCode>(async (get) => {
    const manifest = await get(readCodeManifest(store, digest));
    const files = new Map<string, Uint8Array>();
    for (const [path, file] of Object.entries(manifest.files)) {
      files.set(path, await get(store.sources.get(file)));
    }
    return { digest, manifest, files };
  });
}

/** The manifest of a run's code. */
export function readCodeManifest(store: Store, digest: Digest): TaskEither<RunError, CodeManifest> {
  return attempt<RunError, CodeManifest>(async (get) => {
    const manifest = decodeCodeManifest(await get(store.sources.get(digest)));
    if (E.isRight(manifest)) return manifest.right;
    const error = manifest.left;
    return error.type === "NewerFormat"
      ? fail({ ...error, type: "NewerCode", digest } satisfies RunError)
      : fail(
        { ...error, type: "SourceDamaged", digest, place: "a code manifest" } satisfies RunError,
      );
  });
}

/** Code that a log names and that is missing, or damaged, and why: every byte is checked. */
export function lostCode(
  store: Store,
  state: RunState,
): TaskEither<RunError, ReadonlyMap<Digest, RunError>> {
  return attempt<RunError, ReadonlyMap<Digest, RunError>>(async () => {
    const lost = new Map<Digest, RunError>();
    for (const digest of codeOfRun(state)) {
      const read = await readFiles(store, digest)();
      if (E.isRight(read)) continue;
      if (read.left.type === "SourcesUnavailable" || read.left.type === "NewerCode") {
        fail(read.left);
      }
      lost.set(digest, read.left);
    }
    return lost;
  });
}
