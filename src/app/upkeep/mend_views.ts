import * as E from "fp-ts/Either.js";
import type { RunId } from "../../core/run_id.ts";
import type { SnapshotRef } from "../../core/run_state.ts";
import { attempt, type Await } from "../../ports/attempt.ts";
import type { SnapshotError } from "../../ports/snapshot_store.ts";
import type { Store } from "../../ports/store.ts";
import { describeSnapshotError } from "../errors/describe_error.ts";
import type { RunError } from "../errors/errors.ts";
import { unnamedViews } from "./unnamed_views.ts";
import type { Problem } from "./verify_run.ts";

/** What became of the views of a run. */
export interface MendedViews {
  /** What was mended: a line each. */
  readonly mended: readonly string[];
  /** Views that could not be made, and why. */
  readonly problems: readonly Problem[];
}

/**
 * Makes the views of snapshots anew that can be read, and takes out of view what the log has passed
 * without naming it. What cannot be made is a problem, and keeps nothing else from being made.
 */
export async function mendViews(
  store: Store,
  run: RunId,
  readable: readonly SnapshotRef[],
  get: Await<RunError>,
): Promise<MendedViews> {
  const before = await lookAt(store, run, readable, get);
  const problems: Problem[] = [];
  for (const ref of readable) {
    const shown = await show(store, run, ref)();
    if (E.isRight(shown)) continue;
    problems.push({
      type: "ViewDiffers",
      step: ref.step,
      message: describeSnapshotError(shown.left),
    });
  }
  const after = await lookAt(store, run, readable, get);
  const mended = [
    ...before.flaws.filter((flaw) => !after.flaws.includes(flaw)),
    ...after.places.filter((place) => !before.places.includes(place)),
  ].map((what) => `${what}: made anew`);
  for (const { step, head, place } of await get(unnamedViews(store, run))) {
    if (step > head) continue; // the log has lost its end: this may be all that tells of it
    await get(store.snapshots.hide(run, step));
    mended.push(`${place}: taken out of the view`);
  }
  return { mended, problems };
}

async function lookAt(
  { snapshots }: Store,
  run: RunId,
  refs: readonly SnapshotRef[],
  get: Await<RunError>,
): Promise<{ readonly flaws: readonly string[]; readonly places: readonly string[] }> {
  const flaws = await get(snapshots.checkView(run, refs));
  const shown = (await get(snapshots.shown(run))).map(({ place }) => place);
  return { flaws, places: shown.filter((place) => !flaws.some((flaw) => flaw.startsWith(place))) };
}

/** Storing a snapshot again makes its view again. */
function show({ snapshots }: Store, run: RunId, { snapshot }: SnapshotRef) {
  return attempt<SnapshotError, void>(async (get) => {
    const stored = await get(snapshots.put(run, await get(snapshots.get(snapshot))));
    stored.release();
  });
}
