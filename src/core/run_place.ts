import * as E from "fp-ts/Either.js";
import { keepBest } from "./retention_policy.ts";
import type { RunState, SnapshotRef } from "./run_state.ts";

/** A place in a run as people name it. */
export type RunPlace =
  | { readonly type: "step"; readonly step: number; readonly epoch?: number }
  | { readonly type: "latest" }
  | { readonly type: "best" }
  | { readonly type: "final" };

const NAMES: readonly RegExp[] = [
  /^(?<step>\d+)$/,
  /^step-(?<step>\d+)$/,
  /^checkpoint-(?<step>\d+)$/,
  /^checkpoint-epoch(?<epoch>\d+)-step(?<step>\d+)(?:-files\d+)?$/,
  /^model_step(?<step>\d+)$/,
];

/** What a name may look like, for messages. */
export const PLACE_NAMES =
  "a step such as 1234, latest, best, final, or the name of a checkpoint " +
  "such as step-001200, checkpoint-1200, checkpoint-epoch0-step800-files0 or model_step000256";

/** The name under which people find the checkpoint of a step: "step-000050". */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

/**
 * The place that a text names: a step, or a checkpoint by the names that trainers give them. Undefined where
 * it names none.
 */
export function parsePlace(text: string): RunPlace | undefined {
  if (text === "latest" || text === "best" || text === "final") return { type: text };
  for (const name of NAMES) {
    const { step, epoch } = name.exec(text)?.groups ?? {};
    if (step === undefined || !Number.isSafeInteger(Number(step))) continue;
    return {
      type: "step",
      step: Number(step),
      ...(epoch !== undefined && { epoch: Number(epoch) }),
    };
  }
  return undefined;
}

/**
 * The step that a place means in a run, or why there is none. "latest" is the last step in the log, "best"
 * that of the kept snapshot with the lowest evaluation loss (or training loss, where nothing was
 * evaluated), and "final" the last of a run that is complete.
 */
export function stepOfPlace(place: RunPlace, run: RunState): E.Either<string, number> {
  const first = run.origin?.step ?? 0;
  switch (place.type) {
    case "latest":
      return E.right(run.step);
    case "final":
      return run.status === "completed"
        ? E.right(run.step)
        : E.left(`the run is not complete: it is at step ${run.step} of ${run.config?.steps.max}`);
    case "best":
      return bestOf(run.snapshots);
    case "step":
      if (place.step > run.step) return E.left(`its log ends at step ${run.step}`);
      return place.step < first
        ? E.left(`it begins at step ${first}, as a fork of "${run.origin?.parent?.run}"`)
        : E.right(place.step);
  }
}

function bestOf(snapshots: readonly SnapshotRef[]): E.Either<string, number> {
  const [best] = keepBest(1)(snapshots).keys();
  const found = snapshots.find(({ snapshot }) => snapshot === best);
  return found ? E.right(found.step) : E.left("it keeps no snapshot with a loss");
}
