import { type Tensor, type TensorContainer, tidy } from "@tensorflow/tfjs";
import { leavesOf, type Tree } from "./tree.ts";

/**
 * Runs `f` and frees every tensor made in it, except those in its result.
 *
 * The result's tensors belong to the caller. `f` must be synchronous and return tensors in plain
 * objects and arrays: a Map or a promise would lose them.
 */
export function scoped<T>(f: () => T): T {
  return tidy(f as () => TensorContainer) as T;
}

/** Frees the leaves of `previous` that `next` does not share; all of them without a `next`. */
export function release(previous: Tree, next?: Tree): void {
  const kept = new Set<Tensor>(next === undefined ? [] : leavesOf(next).map(([, leaf]) => leaf));
  for (const [, leaf] of leavesOf(previous)) {
    if (!kept.has(leaf)) leaf.dispose();
  }
}

/** Runs `work` and frees the tree if it throws: for the moment before someone else takes it over. */
export function releaseOnThrow<A>(tree: Tree, work: () => A): A {
  try {
    return work();
  } catch (error) {
    release(tree);
    throw error;
  }
}
