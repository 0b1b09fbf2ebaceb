import { release } from "../../train/ownership.ts";
import type { Tree } from "../../train/tree.ts";

/** Waits for `work`, and frees the tree if it rejects: as `releaseOnThrow`. */
export async function releaseOnRejection<A>(tree: Tree, work: () => Promise<A>): Promise<A> {
  try {
    return await work();
  } catch (error) {
    release(tree);
    throw error;
  }
}
