import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Digest } from "../../core/digest.ts";
import type { RunId } from "../../core/run_id.ts";
import { codeOfRun, keptSnapshots, type SnapshotRef } from "../../core/run_state.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { Extent, LogContents, LogError } from "../../ports/event_log.ts";
import { readTo } from "../../ports/read_to.ts";
import type { Collected, LiveObjects, SnapshotError } from "../../ports/snapshot_store.ts";
import type { Store } from "../../ports/store.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { RunError } from "../errors/errors.ts";
import { readCodeManifest } from "../reading/run_code.ts";
import { unnamed } from "./unnamed_views.ts";

/** How garbage is collected. */
export interface CollectOptions {
  /** Only counts. */
  readonly dryRun?: boolean;
  /** Counts as if these snapshots of a run were pruned. */
  readonly without?: Pruning;
  /** How much of each log is read and checked: all of it, unless the caller has done that before. */
  readonly extent?: Extent;
}

/** Snapshots that a run is to keep no longer. */
export interface Pruning {
  readonly run: RunId;
  readonly snapshots: readonly SnapshotId[];
}

/** Whose snapshot it is; one without a run is that of an archived one. */
export interface NeededBy {
  readonly run?: RunId;
  readonly step: number;
}

/**
 * Removes all objects that no run of the store needs; says how many, and their bytes.
 *
 * A run needs the snapshots that its log names and that were not pruned, and those that its view shows
 * and its log tells nothing of: the log may have lost its end. It needs all code and all samples that its log names. Archived runs count. Where a log cannot
 * be read, any line of it, nobody knows what it needs: then nothing is removed, and SnapshotsUnknown
 * names the run. FilesUnknown names the snapshot where that cannot be read, and CodeUnknown the run whose
 * code cannot.
 */
export function collectGarbage(
  store: Store,
  { dryRun = false, ...options }: CollectOptions = {},
): TaskEither<RunError, Collected> {
  return attempt<RunError, Collected>(async () => {
    let live: Live = { snapshots: new Map(), sources: new Set() };
    const objects = attempt<RunError, LiveObjects>(async (get) => {
      live = await get(liveObjects(store, options));
      return { ...live, snapshots: new Set(live.snapshots.keys()) };
    });
    const collected = await store.snapshots.collect(() => objects, { dryRun })();
    return E.isRight(collected) ? collected.right : fail(withOwner(collected.left, live.snapshots));
  });
}

/** What the runs of a store need: their snapshots, and all files of their code and their samples. */
export interface Live {
  readonly snapshots: ReadonlyMap<SnapshotId, NeededBy>;
  readonly sources: ReadonlySet<Digest>;
}

/** What any run of the store needs; `without` as if those snapshots were pruned already. */
export function liveObjects(
  store: Store,
  { without, extent = "whole" }: Omit<CollectOptions, "dryRun"> = {},
): TaskEither<RunError, Live> {
  return attempt<RunError, Live>(async (get) => {
    const live = new Map<SnapshotId, NeededBy>();
    const code = new Map<Digest, RunId | undefined>();
    const samples = new Set<Digest>();
    for (const run of await get(store.log.runs())) {
      const shown = await known(store.snapshots.shown(run)); // before the log: views precede events
      const contents = await known(readTo(extent, store.log, run));
      const state = foldOf(contents);
      for (const digest of codeOfRun(state)) code.set(digest, run);
      for (const digest of state.sampleFiles ?? []) samples.add(digest);
      const pruned = run === without?.run ? without.snapshots : [];
      for (const { step, snapshot } of [...kept(contents), ...unnamed(shown, contents)]) {
        if (!pruned.includes(snapshot)) live.set(snapshot, { run, step });
      }
    }
    // After the runs: one that is archived meanwhile is found here.
    for (const archived of await known(store.log.archived(extent))) {
      const state = foldOf(archived);
      for (const digest of codeOfRun(state)) if (!code.has(digest)) code.set(digest, undefined);
      for (const digest of state.sampleFiles ?? []) samples.add(digest);
      for (const { step, snapshot } of kept(archived)) {
        if (!live.has(snapshot)) live.set(snapshot, { step });
      }
    }
    return { snapshots: live, sources: samples.union(await sourcesOf(store, code)) };
  });
}

/** The manifests, and the files that they name; one that is missing altogether names none any more. */
async function sourcesOf(
  store: Store,
  code: ReadonlyMap<Digest, RunId | undefined>,
): Promise<ReadonlySet<Digest>> {
  const sources = new Set<Digest>();
  for (const [digest, run] of code) {
    sources.add(digest);
    const manifest = await readCodeManifest(store, digest)();
    if (E.isRight(manifest)) {
      Object.values(manifest.right.files).forEach((file) => sources.add(file));
    } else if (manifest.left.type !== "SourceMissing") {
      fail({ type: "CodeUnknown", ...(run && { run }), because: manifest.left } satisfies RunError);
    }
  }
  return sources;
}

function kept(contents: LogContents): readonly SnapshotRef[] {
  return keptSnapshots(foldOf(contents));
}

/** What a log or a view says; where it says nothing, that is why its snapshots are unknown. */
async function known<A>(reading: TaskEither<LogError | SnapshotError, A>): Promise<A> {
  const result = await reading();
  if (E.isRight(result)) return result.right;
  return fail({ type: "SnapshotsUnknown", because: result.left } satisfies RunError);
}

/** Says of a snapshot that cannot be read which one it is. */
function withOwner(error: RunError, live: ReadonlyMap<SnapshotId, NeededBy>): RunError {
  if (error.type !== "SnapshotDamaged" && error.type !== "NewerSnapshot") return error;
  const owner = live.get(error.id);
  return owner === undefined ? error : { type: "FilesUnknown", ...owner, because: error };
}
