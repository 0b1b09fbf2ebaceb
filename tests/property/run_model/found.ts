import type { Command, Death } from "./commands.ts";

/** Sequences that found faults, as they were when they could be made no shorter. */
export const found: Readonly<Record<string, readonly Command[]>> = {
  "a branch that is trained again": [
    { does: "train", run: 0 },
    { does: "train", run: 0, at: 0, change: "longer" },
    { does: "train", run: 0 },
  ],
  "a change of settings where a snapshot is still to be stored": [
    { does: "train", run: 0, dies: dies("put", 0, "none") },
    { does: "train", run: 0, change: "seed" },
  ],
  "a snapshot of a step that is not recorded in full": [
    { does: "train", run: 0, dies: dies("append", 11, "none") },
    { does: "materialize", run: 0, at: 8 },
    { does: "train", run: 0 },
  ],
  "something recorded between the events of a step": [
    { does: "train", run: 0, dies: dies("append", 5, "part") },
    { does: "materialize", run: 0, at: 0 },
    { does: "train", run: 0 },
  ],
  "a change of settings between the events of a step": [
    { does: "train", run: 0, dies: dies("append", 5, "part") },
    { does: "train", run: 0, change: "rate" },
  ],
  "a plan that is cut short where the run is": [
    { does: "train", run: 0 },
    { does: "train", run: 0, at: 5, change: "shorter" },
  ],
  "a materialized snapshot that is lost": [
    { does: "train", run: 0 },
    { does: "materialize", run: 0, at: 1 },
    { does: "lose", run: 0, snapshot: 0 },
    { does: "repair", run: 0 },
  ],
  "a view that a killed process left on a branch": [
    { does: "train", run: 0, dies: dies("put", 0, "whole") },
    { does: "train", run: 0, steps: 0, at: 0 },
  ],
  "a run that dies as it goes back, and the view that it left": [
    { does: "train", run: 0, dies: dies("put", 0, "whole") },
    { does: "train", run: 0, at: 0, dies: dies("append", 0, "whole") },
  ],
  "a fork of a fork's beginning": [
    { does: "train", run: 0 },
    { does: "fork", run: 0, at: 1, weightsOnly: false },
    { does: "materialize", run: 0, at: 0 },
    { does: "fork", run: 1, at: 0, weightsOnly: true },
    { does: "train", run: 2 },
  ],
  "a snapshot that was pruned and is taken again where the run goes back": [
    { does: "train", run: 0 },
    { does: "prune", run: 0, keep: {} },
    { does: "train", run: 0, steps: 0, at: 3 },
    { does: "train", run: 0 },
  ],
  "a snapshot that is taken again after a change of settings": [
    { does: "train", run: 0, steps: 0 },
    { does: "train", run: 0 },
    { does: "prune", run: 0, keep: {} },
    { does: "train", run: 0, at: 0, dies: dies("append", 0, "whole") },
    { does: "train", run: 0, steps: 0, change: "stretched" },
  ],
};

function dies(operation: Death["operation"], n: number, effect: Death["effect"]): Death {
  return { operation, n, effect };
}
