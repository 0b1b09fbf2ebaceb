import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { release, scoped } from "../../src/train/ownership.ts";
import { backendTest } from "../support/backends.ts";

backendTest("cpu", "release() of one tree frees all of its leaves", () => {
  const tree = { a: [tf.scalar(1), tf.scalar(2)], b: { c: tf.zeros([3]) } };
  release(tree);
  assert.deepEqual([...tree.a, tree.b.c].map((leaf) => leaf.isDisposed), [true, true, true]);
});

backendTest(
  "cpu",
  "release() keeps the leaves that the next tree shares, wherever they are in it",
  () => {
    const kept = tf.scalar(1);
    const moved = tf.scalar(2);
    const gone = tf.scalar(3);
    const next = { params: { w: kept, other: tf.scalar(4) }, optimizer: [[moved]] };
    release({ params: { w: kept, gone }, optimizer: [moved] }, next);
    assert.deepEqual([kept, moved, gone].map((leaf) => leaf.isDisposed), [false, false, true]);
    assert.equal(next.params.other.isDisposed, false);
    assert.deepEqual([...kept.dataSync(), ...moved.dataSync()], [1, 2]);
    release(next);
  },
);

backendTest(
  "cpu",
  "release() frees a leaf that is in a tree twice once, and keeps one that is shared",
  () => {
    const anchor = tf.scalar(1);
    const once = tf.scalar(2);
    release({ a: anchor, b: anchor, c: once, d: once }, { origin: anchor });
    assert.deepEqual([anchor.isDisposed, once.isDisposed], [false, true]);
    release({ a: anchor, b: anchor });
    assert.equal(anchor.isDisposed, true);
  },
);

backendTest("cpu", "release() of a tree into itself frees nothing", () => {
  const tree = { a: tf.scalar(1) };
  release(tree, tree);
  release(tree, { again: tree.a });
  assert.equal(tree.a.isDisposed, false);
  release(tree, {});
  assert.equal(tree.a.isDisposed, true);
});

backendTest(
  "cpu",
  "release() tells leaves apart by handle: an equal value is not a shared one",
  () => {
    const previous = { a: tf.scalar(1) };
    const next = { a: previous.a.clone(), b: tf.scalar(1) };
    release(previous, next);
    assert.deepEqual([previous.a.isDisposed, next.a.isDisposed], [true, false]);
    assert.deepEqual([...next.a.dataSync()], [1]);
    release(next);
  },
);

backendTest("cpu", "scoped() frees what its function made, except the result", () => {
  const made: tf.Tensor[] = [];
  const before = tf.memory().numTensors;
  const result = scoped(() => {
    const inner = scoped(() => {
      made.push(tf.scalar(1));
      return { sum: tf.add(made[0]!, 1) };
    });
    made.push(inner.sum, tf.scalar(5));
    return { list: [tf.add(inner.sum, 1)], step: 3, none: undefined };
  });
  assert.equal(tf.memory().numTensors, before + 1);
  assert.deepEqual(made.map((tensor) => tensor.isDisposed), [true, true, true]);
  assert.equal(result.step, 3);
  assert.deepEqual([...result.list[0]!.dataSync()], [3]);
  release(result.list);
});

backendTest("cpu", "scoped() keeps what was there before, also where it is returned", () => {
  const given = tf.scalar(1);
  assert.equal(scoped(() => ({ given })).given, given);
  assert.equal(given.isDisposed, false);
  given.dispose();
});

backendTest(
  "cpu",
  "scoped() frees everything where its function throws, and passes the error on",
  () => {
    const before = tf.memory().numTensors;
    const error = new Error("no");
    assert.throws(() =>
      scoped(() => {
        tf.add(tf.scalar(1), 1);
        throw error;
      }), error);
    assert.equal(tf.memory().numTensors, before);
  },
);
