import * as E from "fp-ts/Either.js";
import type { HostTensor } from "../core/host_tensor.ts";
import { toDevice } from "./device_tensor.ts";
import { leavesOf, type Tree, withLeaves } from "./tree.ts";

/**
 * A tree of `template`'s structure with the tensors of `saved`, matched by path.
 *
 * Nothing may be missing, left over, or of another shape or type: a moment that lands on the wrong
 * parameter, or an optimiser that starts cold, would go unnoticed. Borrows the template; the caller
 * owns the result.
 */
export function restoreTree<T extends Tree>(
  template: T,
  saved: ReadonlyMap<string, HostTensor>,
): E.Either<string, T> {
  const leaves = leavesOf(template);
  for (const [path, { shape, dtype }] of leaves) {
    const found = saved.get(path);
    if (found === undefined) return E.left(`expected a tensor "${path}", found none`);
    if (found.dtype !== dtype || found.shape.join() !== shape.join()) {
      return E.left(
        `expected "${path}" to be ${dtype}[${shape}], found ${found.dtype}[${found.shape}]`,
      );
    }
  }
  if (saved.size !== leaves.length) {
    const known = new Set(leaves.map(([path]) => path));
    const extra = [...saved.keys()].find((path) => !known.has(path));
    return E.left(`expected ${leaves.length} tensors, found also "${extra}"`);
  }
  return E.right(withLeaves(template, leaves.map(([path]) => toDevice(saved.get(path)!))));
}
