import type { RunConfig } from "../../core/config.ts";
import { evolve, initialState } from "../../core/evolve.ts";
import { isStep } from "../../core/event.ts";
import { bothLeftOut, type LeftOut, nothingLeftOut, type PlaceRange } from "../../core/left_out.ts";
import { livePath, type PlacedEvent } from "../../core/live_path.ts";
import type { RunState } from "../../core/run_state.ts";
import { fail } from "../../ports/attempt.ts";
import type { Task } from "../../ports/task.ts";
import type { RunError } from "../errors/errors.ts";
import { orderOf } from "../training/plan.ts";
import type { PastState } from "../replay/rewind.ts";

/** What a fork is to go without. */
export interface LeftOutWish {
  /** Numbers of samples, of the fork's data, that are left out of every epoch from the fork on. */
  readonly withoutSamples?: readonly number[];
  /** Steps of the parent after the fork whose batches are skipped, in the epoch in which it used them. */
  readonly skipBatches?: readonly number[];
}

/** The fork that something is left out of. */
export interface ForkOfData {
  readonly past: PastState;
  /** The parent's task, and the fork's config. */
  readonly task: Task;
  readonly config: RunConfig;
  readonly otherData: boolean;
}

/**
 * What a fork leaves out of the data: what its parent does, unless its data is another, and what is wished
 * besides; undefined where that is nothing.
 *
 * Batches are places of an order: they can be skipped only where the fork has the parent's. Fails with
 * BatchUsed for one from before the fork, and with OrderDiffers.
 */
export function leftOutOfFork(
  events: readonly PlacedEvent[],
  fork: ForkOfData,
  { withoutSamples: samples = [], skipBatches = [] }: LeftOutWish,
): LeftOut | undefined {
  const inherited = fork.past.state.origin?.leftOut ?? nothingLeftOut;
  const before = fork.otherData ? nothingLeftOut : inherited;
  if (before.places.length > 0) requireOrder(fork, fork.past.state.config!);
  const places = skipBatches.flatMap((step) => placesOfBatch(events, fork, step));
  const all = bothLeftOut(before, { samples, places });
  return all.samples.length === 0 && all.places.length === 0 ? undefined : all;
}

/** The places of the samples that the parent used in a step, or would use. */
function placesOfBatch(
  events: readonly PlacedEvent[],
  fork: ForkOfData,
  step: number,
): readonly PlaceRange[] {
  const { past, task } = fork;
  if (!Number.isSafeInteger(step) || step <= past.step) {
    fail({ type: "BatchUsed", step, fork: past.step } satisfies RunError);
  }
  const { config, cursor, step: before, origin } = stateBefore(events, step);
  requireOrder(fork, config!);
  const order = orderOf(task, config!, origin?.leftOut);
  const { size } = config!.batch;
  return order.placesAt(order.advance(cursor, (step - 1 - before) * size), size);
}

/** The state that a step was taken from, with what was changed before it; the last one, of steps to come. */
function stateBefore(events: readonly PlacedEvent[], step: number): RunState {
  const path = livePath(events).map(({ event }) => event);
  const taken = path.findIndex((event) => isStep(event) && event.data.step === step);
  return (taken < 0 ? path : path.slice(0, taken)).reduce(evolve, initialState);
}

function requireOrder({ config, otherData }: ForkOfData, parent: RunConfig): void {
  const same = parent.seed === config.seed && parent.data.shuffle === config.data.shuffle;
  if (otherData || !same) fail({ type: "OrderDiffers" } satisfies RunError);
}
