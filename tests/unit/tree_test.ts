import assert from "node:assert/strict";
import fc from "fast-check";
import * as tf from "foldlog/tf";
import {
  isTensor,
  leafFinder,
  leavesOf,
  mapNamed,
  mapTree,
  maskTree,
  type Tensor,
  type Tree,
  withLeaves,
  withPart,
} from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";

/** A description of a tree: each leaf is a number. */
type Plain = number | readonly Plain[] | { readonly [name: string]: Plain };

backendTest("cpu", "leavesOf() walks objects by name in UTF-16 order, not by insertion", () => {
  const tree = treeOf({ b: 0, a: 1, B: 2, "\ufb33": 3, "\u{1f600}": 4, "\u00e9": 5, a1: 6, a_: 7 });
  assert.deepEqual(plainLeaves(tree), [
    ["B", 2],
    ["a", 1],
    ["a1", 6],
    ["a_", 7],
    ["b", 0],
    ["\u00e9", 5],
    ["\u{1f600}", 4], // its first code unit is d83d
    ["\ufb33", 3],
  ]);
  tf.dispose(tree as tf.TensorContainer);
});

backendTest("cpu", "leavesOf() walks objects whose names are numbers as names", () => {
  const tree = treeOf({ 9: 0, 10: 1, 1: 2 });
  assert.deepEqual(plainLeaves(tree), [["1", 2], ["10", 1], ["9", 0]]);
  tf.dispose(tree as tf.TensorContainer);
});

backendTest("cpu", "leavesOf() walks arrays by index, also beyond ten elements", () => {
  const tree = treeOf({ h: Array.from({ length: 12 }, (_, index) => ({ w: index })) });
  assert.deepEqual(
    plainLeaves(tree),
    Array.from({ length: 12 }, (_, index) => [`h.${index}.w`, index]),
  );
  tf.dispose(tree as tf.TensorContainer);
});

backendTest(
  "cpu",
  "leavesOf() joins names with dots; a tree that is a leaf has the empty path",
  () => {
    const tree = treeOf({ h: [{ ln_1: { weight: 1, bias: 2 } }], ln_f: { weight: 3 } });
    assert.deepEqual(plainLeaves(tree), [
      ["h.0.ln_1.bias", 2],
      ["h.0.ln_1.weight", 1],
      ["ln_f.weight", 3],
    ]);
    tf.dispose(tree as tf.TensorContainer);
    const leaf = tf.scalar(7);
    assert.deepEqual(leavesOf(leaf), [["", leaf]]);
    leaf.dispose();
    for (const empty of [{}, [], { a: {}, b: [] }]) assert.deepEqual(leavesOf(empty), []);
  },
);

backendTest("cpu", "withLeaves() puts the leaves of leavesOf() back where they were", () => {
  fc.assert(fc.property(plainTrees(), (plain) => {
    const tree = treeOf(plain);
    const leaves = leavesOf(tree).map(([, leaf]) => leaf);
    const again = withLeaves(tree, leaves);
    assert.deepEqual(shapeOf(again), shapeOf(tree));
    assert.deepEqual(leavesOf(again).map(([, leaf]) => leaf), leaves);
    leavesOf(again).forEach(([, leaf], index) => assert.equal(leaf, leaves[index]));
    tf.dispose(leaves);
  }));
});

backendTest("cpu", "mapTree() keeps the structure: arrays, objects and empty ones", () => {
  const tree = treeOf({ b: [1, [2, {}]], a: { c: 3, e: [] } });
  const doubled = tf.tidy(() => mapTree((leaf) => tf.mul(leaf, 2), tree) as tf.TensorContainer);
  assert.deepEqual(plainOf(doubled as Tree), { b: [2, [4, {}]], a: { c: 6, e: [] } });
  assert.deepEqual(plainOf(tree), { b: [1, [2, {}]], a: { c: 3, e: [] } });
  tf.dispose([tree, doubled] as tf.TensorContainer);
});

backendTest(
  "cpu",
  "mapTree() visits each leaf once in the order of leavesOf(), with those at its place",
  () => {
    const tree = treeOf({ b: { y: 1, x: 2 }, a: [3, 4] });
    const other = treeOf({ a: [30, 40], b: { x: 20, y: 10 } }); // the same places, made in another order
    const seen: (readonly number[])[] = [];
    mapTree(
      (...leaves) => {
        seen.push(leaves.map((leaf) => leaf.dataSync()[0]!));
        return leaves[0]!;
      },
      tree,
      other,
      tree,
    );
    assert.deepEqual(seen, [[3, 30, 3], [4, 40, 4], [2, 20, 2], [1, 10, 1]]);
    const paths: string[] = [];
    mapNamed(
      (path, leaf, second) => {
        assert.ok(isTensor(second!));
        paths.push(path);
        return leaf;
      },
      tree,
      other,
    );
    assert.deepEqual(paths, ["a.0", "a.1", "b.x", "b.y"]);
    tf.dispose([tree, other] as tf.TensorContainer);
  },
);

backendTest("cpu", "mapTree() names the place where another tree has another structure", () => {
  const tree = treeOf({ h: [{ w: 1 }, { w: 2 }], z: 3 });
  const cases: readonly (readonly [other: Plain, message: string])[] = [
    [{ h: [{ w: 1 }, { w: 2 }] }, 'Expected a tree with "z", found none there'],
    [{ h: [{ w: 1 }], z: 3 }, 'Expected a tree with "h.1", found none there'],
    [{ h: [{ w: 1 }, {}], z: 3 }, 'Expected a tree with "h.1.w", found none there'],
    [{ h: [{ w: 1 }, 2], z: 3 }, 'Expected a tree with "h.1.w", found none there'],
    [{ h: [{ w: 1 }, { w: [2] }], z: 3 }, 'Expected a tensor at "h.1.w", found a branch'],
    [{ h: [{ w: 1 }, { w: 2 }], z: {} }, 'Expected a tensor at "z", found a branch'],
    [5, 'Expected a tree with "h", found none there'],
  ];
  for (const [plain, message] of cases) {
    const other = treeOf(plain);
    for (const others of [[other], [tree, other]]) {
      assert.throws(
        () => mapTree((leaf) => leaf, tree, ...others),
        (error) => error instanceof TypeError && error.message === message,
        message,
      );
    }
    tf.dispose(other as tf.TensorContainer);
  }
  const leaf = tf.scalar(1);
  assert.throws(() => mapTree((leaf) => leaf, leaf, tree), TypeError);
  tf.dispose([tree, leaf] as tf.TensorContainer);
});

backendTest("cpu", "mapTree() does not take what an object inherits for a child", () => {
  const tree = treeOf({ toString: 1 });
  assert.throws(
    () => mapTree((leaf) => leaf, tree, {}),
    new TypeError('Expected a tree with "toString", found none there'),
  );
  tf.dispose(tree as tf.TensorContainer);
});

/** Names that a tree may have: a dot would make two leaves share a path. */
const names = fc.string({ minLength: 1, maxLength: 3 }).filter((name) => !name.includes("."));

function plainTrees(): fc.Arbitrary<Plain> {
  const { tree } = fc.letrec<{ tree: Plain }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.integer(),
      fc.array(tie("tree"), { maxLength: 12 }),
      fc.dictionary(names, tie("tree"), {
        maxKeys: 5,
        noNullPrototype: true,
      }),
    ),
  }));
  return tree.filter((plain) => !JSON.stringify(plain).includes('"__proto__"'));
}

function treeOf(plain: Plain): Tree {
  if (typeof plain === "number") return tf.scalar(plain);
  if (Array.isArray(plain)) return plain.map(treeOf);
  return Object.fromEntries(Object.entries(plain).map(([name, child]) => [name, treeOf(child)]));
}

function plainOf(tree: Tree): Plain {
  if (isTensor(tree)) return tree.dataSync()[0]!;
  if (Array.isArray(tree)) return (tree as readonly Tree[]).map(plainOf);
  return Object.fromEntries(Object.entries(tree).map(([name, child]) => [name, plainOf(child)]));
}

/** The tree with the same mark for every leaf. */
function shapeOf(tree: Tree): unknown {
  return mapPlain(tree, () => "leaf");
}

function mapPlain(tree: Tree, f: (leaf: Tensor) => unknown): unknown {
  if (isTensor(tree)) return f(tree);
  if (Array.isArray(tree)) return (tree as readonly Tree[]).map((child) => mapPlain(child, f));
  return Object.fromEntries(
    Object.entries(tree).map(([name, child]) => [name, mapPlain(child, f)]),
  );
}

function plainLeaves(tree: Tree): readonly (readonly [string, number])[] {
  return leavesOf(tree).map(([path, leaf]) => [path, leaf.dataSync()[0]!]);
}

backendTest(
  "cpu",
  "maskTree() leaves an empty branch where a leaf was, and the others in place",
  () => {
    const tree = { b: [tf.scalar(1), { c: tf.scalar(2) }], a: tf.scalar(3) };
    const asked: string[] = [];
    const masked = maskTree((path, leaf) => asked.push(path) > 0 && leaf !== tree.b[0], tree);
    assert.deepEqual(masked, { a: tree.a, b: [{}, tree.b[1]] });
    assert.deepEqual(asked, ["a", "b.0", "b.1.c"]);
    assert.deepEqual(leavesOf(masked).map(([path]) => path), ["a", "b.1.c"]);
    const restored = mapTree((leaf) => leaf, masked, masked);
    assert.deepEqual(restored, masked);
    tf.dispose(tree as tf.TensorContainer);
  },
);

backendTest(
  "cpu",
  "leafFinder() finds a leaf in whichever tree has it, and names one that is nowhere",
  () => {
    const [x, y] = [tf.scalar(1), tf.scalar(2)];
    const find = leafFinder({ h: [x, {}] }, { h: [{}, y] });
    assert.equal(find("h.0"), x);
    assert.equal(find("h.1"), y);
    for (const path of ["h", "h.2", "constructor"]) {
      const message = `Expected a tensor at "${path}", found none`;
      assert.throws(() => find(path), { name: "TypeError", message });
    }
    tf.dispose([x, y]);
  },
);

backendTest(
  "cpu",
  "withPart() has the part's leaves at their paths, and the tree's elsewhere",
  () => {
    const tree = { a: [tf.scalar(1), tf.scalar(2)], b: tf.scalar(3) };
    const part = { a: [{}, tf.scalar(4)], b: {} };
    const whole = withPart(tree, part);
    assert.deepEqual(leavesOf(whole).map(([path]) => path), ["a.0", "a.1", "b"]);
    assert.equal(whole.a[0], tree.a[0]);
    assert.equal(whole.a[1], part.a[1]);
    assert.equal(whole.b, tree.b);
    tf.dispose([tree, part] as tf.TensorContainer);
  },
);
