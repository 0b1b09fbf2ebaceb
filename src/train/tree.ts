import type { Scalar, Tensor } from "@tensorflow/tfjs";

export type { Scalar, Tensor };

/**
 * Nested plain objects and arrays with tensors as leaves: parameters, gradients, optimiser states.
 *
 * Write a tree's type with `type`, not `interface`: an interface has no index signature.
 */
export type Tree = Tensor | readonly Tree[] | { readonly [name: string]: Tree };

/** A leaf and the names on the way to it, joined by dots: "h.0.ln_1.weight". */
export type Leaf = readonly [path: string, tensor: Tensor];

/**
 * The leaves in the one order used everywhere: arrays by index, objects by sorted name (UTF-16 code
 * units). Borrows the tree.
 */
export function leavesOf(tree: Tree): readonly Leaf[] {
  const leaves: Leaf[] = [];
  visit(tree, "", (path, tensor) => leaves.push([path, tensor]));
  return leaves;
}

/**
 * Applies `f` to each leaf of `tree` and the leaves of `others` at the same place, in sorted order.
 *
 * Returns a tree of the same structure. Throws a TypeError that names the place where one of
 * `others` has another structure.
 */
export function mapTree<T extends Tree>(
  f: (leaf: Tensor, ...rest: Tensor[]) => Tensor,
  tree: T,
  ...others: readonly Tree[]
): T {
  return mapNamed((_path, leaf, ...rest) => f(leaf, ...rest), tree, ...others);
}

/** As `mapTree`, and `f` gets the leaf's path first. */
export function mapNamed<T extends Tree>(
  f: (path: string, leaf: Tensor, ...rest: Tensor[]) => Tensor,
  tree: T,
  ...others: readonly Tree[]
): T {
  return mapFrom("", f, tree, others) as T;
}

/** A tree of `tree`'s structure with the given leaves, which are in the order of `leavesOf`. */
export function withLeaves<T extends Tree>(tree: T, leaves: readonly Tensor[]): T {
  let next = 0;
  return mapTree(() => leaves[next++]!, tree);
}

/** The tree with the leaves of `part` at their paths, and its own elsewhere. */
export function withPart<T extends Tree>(tree: T, part: Tree): T {
  const leaves = new Map(leavesOf(part));
  return mapNamed((path, leaf) => leaves.get(path) ?? leaf, tree);
}

/** The tree with what `f` makes of each leaf in its place: a leaf, or a branch that may be empty. */
export function graftTree(f: (path: string, leaf: Tensor) => Tree, tree: Tree): Tree {
  return mapFrom("", f, tree, []);
}

/**
 * The tree with an empty branch in place of every leaf that `keeps` refuses: what stays has its place, its
 * path and its order.
 */
export function maskTree(keeps: (path: string, leaf: Tensor) => boolean, tree: Tree): Tree {
  return graftTree((path, leaf) => keeps(path, leaf) ? leaf : {}, tree);
}

/**
 * Finds leaves by their paths, in whichever of the trees has one there. It throws a TypeError that names
 * a path where none has.
 */
export function leafFinder(...trees: readonly Tree[]): (path: string) => Tensor {
  const leaves = new Map(trees.flatMap(leavesOf));
  return function find(path: string): Tensor {
    const leaf = leaves.get(path);
    if (leaf === undefined) throw new TypeError(`Expected a tensor at "${path}", found none`);
    return leaf;
  };
}

/** Whether a tree is a leaf. */
export function isTensor(tree: Tree): tree is Tensor {
  return "dataId" in tree;
}

function visit(tree: Tree, path: string, f: (path: string, tensor: Tensor) => void): void {
  if (isTensor(tree)) return f(path, tree);
  for (const [name, child] of children(tree)) visit(child, join(path, name), f);
}

function mapFrom(
  path: string,
  f: (path: string, leaf: Tensor, ...rest: Tensor[]) => Tree,
  tree: Tree,
  others: readonly Tree[],
): Tree {
  if (isTensor(tree)) {
    for (const other of others) {
      if (!isTensor(other)) throw new TypeError(`Expected a tensor at "${path}", found a branch`);
    }
    return f(path, tree, ...(others as readonly Tensor[]));
  }
  for (const other of others) requireSameShape(path, tree, other);
  const mapped = children(tree).map(([name, child]) => {
    const below = join(path, name);
    return [name, mapFrom(below, f, child, others.map((other) => childAt(other, name)))];
  });
  return Array.isArray(tree)
    ? mapped.map(([, child]) => child as Tree)
    : Object.fromEntries(mapped);
}

function children(tree: Exclude<Tree, Tensor>): readonly (readonly [string, Tree])[] {
  if (Array.isArray(tree)) return tree.map((child: Tree, index) => [String(index), child]);
  const named = Object.entries(tree as Record<string, Tree>).sort(([a], [b]) => a < b ? -1 : 1);
  const odd = named.find(([name]) => name === "" || name.includes("."));
  if (odd !== undefined) {
    throw new TypeError(`Expected names without a dot in a tree, found "${odd[0]}": nest instead`);
  }
  return named;
}

/** A branch that another tree has differently: what is missing there, or what is too much. */
function requireSameShape(path: string, tree: Exclude<Tree, Tensor>, other: Tree): void {
  const names = Object.keys(tree).sort();
  const missing = names.find((name) => isTensor(other) || !Object.hasOwn(other, name));
  if (missing !== undefined) {
    throw new TypeError(`Expected a tree with "${join(path, missing)}", found none there`);
  }
  const found = isTensor(other) ? [] : Object.keys(other);
  const kinds = isTensor(other) || Array.isArray(tree) !== Array.isArray(other);
  if (kinds || found.length > names.length) {
    const extra = found.find((name) => !names.includes(name));
    const what = extra === undefined ? "another kind of branch" : `also "${join(path, extra)}"`;
    throw new TypeError(`Expected a tree of the same structure, found ${what}`);
  }
}

function childAt(tree: Tree, name: string): Tree {
  return (tree as Record<string, Tree>)[name]!;
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
