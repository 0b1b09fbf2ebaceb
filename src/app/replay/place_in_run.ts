import * as E from "fp-ts/Either.js";
import { checkpointNames } from "../../core/file_progress.ts";
import { nearest } from "../../core/nearest.ts";
import { namesWeights, WEIGHTS_ALONE } from "../../core/weights_name.ts";
import { parsePlace, PLACE_NAMES, stepOfPlace } from "../../core/run_place.ts";
import type { RunState } from "../../core/run_state.ts";
import { fail } from "../../ports/attempt.ts";
import type { RunError } from "../errors/errors.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { type PastState, pastState, presentState } from "./rewind.ts";

/** The step that people mean by a step or a name ("best", "step-001200"). Fails with NoPlace. */
export function stepAt(recorded: RecordedRun, at: number | string): number {
  return placeAt(recorded, at).step;
}

/**
 * The past state that people mean by a step or a name: by "latest" that at the end of the log, with what was
 * changed there, by any other that before such changes. Fails with NoPlace where the run has none.
 */
export function placeAt(
  { run, state: head, events }: Pick<RecordedRun, "run" | "state" | "events">,
  at: number | string,
): PastState {
  const step = stepNamed(run, head, at);
  const past = at === "latest" ? presentState(events) : pastState(events, step);
  if (past === undefined) return refuse(run, head, at, rangeOf(head));
  const place = parsePlace(String(at));
  const { epoch } = past.state.cursor;
  if (place?.type === "step" && place.epoch !== undefined && place.epoch !== epoch) {
    return refuse(run, head, at, `its step ${step} is in epoch ${epoch}`);
  }
  return past;
}

/** The step that is named, as far as the head of the run's log tells. */
export function stepNamed(run: string, head: RunState, at: number | string): number {
  const place = parsePlace(String(at));
  if (place === undefined) {
    const found = namesWeights(String(at)) ? `, found ${WEIGHTS_ALONE}` : "";
    return refuse(run, head, at, `expected ${PLACE_NAMES}${found}`);
  }
  const step = stepOfPlace(place, head);
  return E.isRight(step) ? step.right : refuse(run, head, at, step.left);
}

function rangeOf({ origin, step }: RunState): string {
  return `its live branch has the steps ${origin?.step ?? 0} to ${step}`;
}

function refuse(run: string, head: RunState, at: number | string, reason: string): never {
  const nameOf = checkpointNames(head);
  const named = head.snapshots.map((ref) => ({ step: ref.step, name: nameOf(ref) }));
  const checkpoints = named.map(({ name }) => name);
  const near = nearestPlaces(String(at), named);
  const error: RunError = { type: "NoPlace", run, at: String(at), reason, checkpoints, near };
  return fail(error);
}

/** Checkpoints that may have been meant: those nearest by step, or by name where no step is named. */
function nearestPlaces(
  at: string,
  named: readonly { readonly step: number; readonly name: string }[],
): readonly string[] {
  const place = parsePlace(at);
  if (place === undefined) {
    return nearest(at, ["latest", "best", "final", ...named.map(({ name }) => name)]);
  }
  if (place.type !== "step") return [];
  const distance = ({ step }: { readonly step: number }) => Math.abs(step - place.step);
  return named.toSorted((a, b) => distance(a) - distance(b)).slice(0, 2).map(({ name }) => name);
}
