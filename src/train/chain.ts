import type { Optimizer } from "./optimizer.ts";
import { release } from "./ownership.ts";
import type { Tree } from "./tree.ts";

/**
 * Transforms one after the other: each gets the updates of the one before. Its state is the list of theirs.
 *
 * Updates are as large as the parameters: those of one transform are freed when the next has its own.
 */
export function chain(...transforms: readonly Optimizer[]): Optimizer<readonly Tree[]> {
  return {
    init: (params) => transforms.map((transform) => transform.init(params)),
    update(gradients, states, params, context) {
      let updates = gradients;
      const next: Tree[] = [];
      for (const [index, transform] of transforms.entries()) {
        const result = transform.update(updates, states[index]!, params, context);
        next.push(result.state);
        release(updates, [gradients, result.updates, ...next, ...states, params]);
        updates = result.updates;
      }
      return { updates, state: next };
    },
  };
}
