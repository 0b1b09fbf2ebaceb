import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunConfig } from "../../core/config.ts";
import type { RunId } from "../../core/run_id.ts";
import type { ParentState } from "../../core/run_origin.ts";
import { keptSnapshots } from "../../core/run_state.ts";
import { paramsOf, type TensorGroup } from "../../core/snapshot.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";
import { readRun } from "../reading/read_run.ts";
import { placeAt } from "../replay/place_in_run.ts";
import { parentState } from "./parent_state.ts";

/** The parameters that a run had at a step, for `beginRun`; the caller owns the tensors. */
export interface RunWeights {
  readonly tensors: TensorGroup;
  readonly parent: ParentState;
  /** The settings that the run had at that step. */
  readonly config: RunConfig;
}

/**
 * The parameters that a run had at a step or place ("best"; the end of its log unless given), of which it
 * keeps a snapshot: nothing is computed. Every byte is checked.
 *
 * Fails with NoWeights where no snapshot of the step is kept, and with NoPlace where there is no such step.
 */
export function weightsOfRun(
  store: Store,
  run: RunId,
  at: number | string = "latest",
): TaskEither<RunError, RunWeights> {
  return attempt<RunError, RunWeights>(async (get) => {
    const recorded = await get(readRun(store, run));
    const past = placeAt(recorded, at);
    const kept = keptSnapshots(recorded.state);
    const names = new Set(kept.map(({ snapshot }) => snapshot));
    const ref = past.state.snapshots.findLast(({ step, snapshot }) =>
      step === past.step && names.has(snapshot)
    );
    if (ref === undefined) {
      return fail({ type: "NoWeights", run, step: past.step, kept: kept.map(({ step }) => step) });
    }
    const tensors = paramsOf(await get(store.snapshots.get(ref.snapshot)));
    return { tensors, parent: parentState(recorded, past, ref.state), config: past.state.config! };
  });
}
