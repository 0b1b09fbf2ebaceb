import { bothLeftOut, type LeftOut, nothingLeftOut, type PlaceRange } from "../core/left_out.ts";
import type { PlacedEvent } from "../core/live_path.ts";
import { fail } from "../ports/attempt.ts";
import type { RunError } from "./errors.ts";
import type { Plan } from "./plan.ts";
import { type PastState, pastState } from "./rewind.ts";

/** What a fork is to go without. */
export interface LeftOutWish {
  /** Numbers of samples that are left out of every epoch from the fork on. */
  readonly withoutSamples?: readonly number[];
  /** Steps of the parent after the fork whose batches are skipped, in the epoch in which it used them. */
  readonly skipBatches?: readonly number[];
}

/**
 * What a fork at `past` leaves out of the data: what its parent does, and what is wished besides; undefined
 * where that is nothing.
 */
export function leftOutOfFork(
  events: readonly PlacedEvent[],
  past: PastState,
  parent: Plan,
  { withoutSamples: samples = [], skipBatches = [] }: LeftOutWish,
): LeftOut | undefined {
  const before = past.state.origin?.leftOut ?? nothingLeftOut;
  const places = skipBatches.flatMap((step) => placesOfBatch(events, past, parent, step));
  const all = bothLeftOut(before, { samples, places });
  return all.samples.length === 0 && all.places.length === 0 ? undefined : all;
}

/** The places of the samples that the parent used in a step, or would use. */
function placesOfBatch(
  events: readonly PlacedEvent[],
  past: PastState,
  { order }: Plan,
  step: number,
): readonly PlaceRange[] {
  if (!Number.isSafeInteger(step) || step <= past.step) {
    fail({ type: "BatchUsed", step, fork: past.step } satisfies RunError);
  }
  const { state } = pastState(events, step - 1) ?? past;
  const { size } = state.config!.batch;
  return order.placesAt(order.advance(state.cursor, (step - 1 - state.step) * size), size);
}
