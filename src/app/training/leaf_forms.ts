import { leavesOf, type Tree } from "../../train/tree.ts";

/** The path, type and shape of each leaf, in sorted order: "h.0.weight float32[2,3]". Borrows the tree. */
export function leafForms(tree: Tree): readonly string[] {
  return leavesOf(tree).map(([path, { dtype, shape }]) => `${path} ${dtype}[${shape}]`);
}
