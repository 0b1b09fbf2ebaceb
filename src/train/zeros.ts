import * as tf from "@tensorflow/tfjs";
import { mapTree, type Tree } from "./tree.ts";

/** A tree of zeros of `tree`'s structure and shapes: where a running mean begins. */
export function zerosLike<T extends Tree>(tree: T): T {
  return mapTree((leaf) => tf.zerosLike(leaf), tree);
}
