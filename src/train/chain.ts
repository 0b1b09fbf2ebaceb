import type { Optimizer } from "./optimizer.ts";
import type { Tree } from "./tree.ts";

/** Transforms one after the other: each gets the updates of the one before. Its state is the list of theirs. */
export function chain(...transforms: readonly Optimizer[]): Optimizer<readonly Tree[]> {
  return {
    init: (params) => transforms.map((transform) => transform.init(params)),
    update(gradients, states, params, context) {
      let updates = gradients;
      const next = transforms.map((transform, index) => {
        const result = transform.update(updates, states[index]!, params, context);
        updates = result.updates;
        return result.state;
      });
      return { updates, state: next };
    },
  };
}
