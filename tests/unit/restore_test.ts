import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as tf from "foldlog/tf";
import { bytesOf, type HostTensor } from "../../src/core/host_tensor.ts";
import { release } from "../../src/train/ownership.ts";
import { restoreTree } from "../../src/train/restore.ts";
import { leavesOf, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";

backendTest(
  "cpu",
  "restoreTree() gives the template's structure the saved bits",
  async (device) => {
    const template = initial();
    const restored = restoreTree(template, saved());
    assert.ok(E.isRight(restored));
    assert.ok(Array.isArray(restored.right.layers));
    for (const [path, leaf] of leavesOf(restored.right)) {
      const { dtype, shape, data } = saved().get(path)!;
      const found = await device.read(leaf);
      assert.deepEqual([found.dtype, found.shape], [dtype, shape], path);
      assert.deepEqual(bytesOf(found), bytesOf({ dtype, shape, data }), path);
    }
    assert.equal(leavesOf(restored.right).length, saved().size);
    release(template);
    release(restored.right);
  },
);

backendTest(
  "cpu",
  "restoreTree() matches by path, whatever order the tensors come in",
  async (device) => {
    const template = initial();
    const restored = restoreTree(template, new Map([...saved()].reverse()));
    assert.ok(E.isRight(restored));
    // Two leaves of one shape and type: by position they would change places.
    assert.deepEqual((await device.read(restored.right.layers[0]!)).data, Float32Array.of(1, 2));
    assert.deepEqual((await device.read(restored.right.layers[1]!)).data, Float32Array.of(3, 4));
    release(template);
    release(restored.right);
  },
);

backendTest(
  "cpu",
  "restoreTree() matches arrays of more than ten elements by index",
  async (device) => {
    const template = Array.from({ length: 12 }, () => tf.zeros([1]));
    const tensors = new Map(
      template.map((_, index) => [String(index), float([1], [index])] as const),
    );
    const restored = restoreTree(template, tensors);
    assert.ok(E.isRight(restored));
    for (const [index, leaf] of restored.right.entries()) {
      assert.deepEqual((await device.read(leaf)).data, Float32Array.of(index));
    }
    release(template);
    release(restored.right);
  },
);

backendTest(
  "cpu",
  "restoreTree() refuses every mismatch, says which, and leaves no tensor behind",
  () => {
    const template = initial();
    const cases: readonly (readonly [
      change: (tensors: Map<string, HostTensor>) => void,
      reason: string,
    ])[] = [
      [(m) => m.delete("layers.1"), 'expected a tensor "layers.1", found none'],
      [(m) => m.clear(), 'expected a tensor "count", found none'],
      [(m) => m.set("extra", float([], [0])), 'expected 5 tensors, found also "extra"'],
      [(m) => m.set("layers.2", float([2], [5, 6])), 'expected 5 tensors, found also "layers.2"'],
      [(m) => m.set("", float([], [0])), 'expected 5 tensors, found also ""'],
      [
        (m) => {
          m.set("layers.one", m.get("layers.1")!);
          m.delete("layers.1");
        },
        'expected a tensor "layers.1", found none',
      ],
      [
        (m) => m.set("matrix", float([3, 2], [1, 2, 3, 4, 5, 6])),
        'expected "matrix" to be float32[2,3], found float32[3,2]',
      ],
      [
        (m) => m.set("matrix", float([6], [1, 2, 3, 4, 5, 6])),
        'expected "matrix" to be float32[2,3], found float32[6]',
      ],
      [
        (m) => m.set("matrix", float([2, 3, 1], [1, 2, 3, 4, 5, 6])),
        'expected "matrix" to be float32[2,3], found float32[2,3,1]',
      ],
      [
        (m) => m.set("scalar", float([1], [7])),
        'expected "scalar" to be float32[], found float32[1]',
      ],
      [
        (m) => m.set("layers.0", int([2], [1, 2])),
        'expected "layers.0" to be float32[2], found int32[2]',
      ],
      [(m) => m.set("count", float([1], [3])), 'expected "count" to be int32[1], found float32[1]'],
    ];
    for (const [change, reason] of cases) {
      const tensors = saved();
      change(tensors);
      assert.deepEqual(restoreTree<Tree>(template, tensors), E.left(reason));
    }
    release(template);
  },
);

backendTest("cpu", "restoreTree() borrows its template, and the result is the caller's own", () => {
  const template = initial();
  const restored = restoreTree(template, saved());
  assert.ok(E.isRight(restored));
  release(restored.right);
  for (const [path, leaf] of leavesOf(template)) assert.ok(!leaf.isDisposed, path);
  release(template);
});

backendTest("cpu", "restoreTree() of nothing is nothing", () => {
  assert.deepEqual(restoreTree({}, new Map()), E.right({}));
  assert.deepEqual(restoreTree<Tree>([{}, []], new Map()), E.right([{}, []]));
  assert.deepEqual(
    restoreTree({}, new Map([["a", float([], [0])]])),
    E.left('expected 0 tensors, found also "a"'),
  );
});

function initial() {
  return {
    matrix: tf.zeros([2, 3]),
    layers: [tf.zeros([2]), tf.zeros([2])],
    scalar: tf.scalar(0),
    count: tf.tensor1d([0], "int32"),
  };
}

function saved(): Map<string, HostTensor> {
  const words = Uint32Array.of(0x7fc12345, 0x80000000, 1, 0xff800000, 0x7f7fffff, 0x3f800000);
  return new Map([
    ["matrix", { dtype: "float32", shape: [2, 3], data: new Float32Array(words.buffer) }],
    ["layers.0", float([2], [1, 2])],
    ["layers.1", float([2], [3, 4])],
    ["scalar", float([], [-0])],
    ["count", int([1], [-(2 ** 31)])],
  ]);
}

function float(shape: readonly number[], values: readonly number[]): HostTensor {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

function int(shape: readonly number[], values: readonly number[]): HostTensor {
  return { dtype: "int32", shape, data: Int32Array.from(values) };
}
