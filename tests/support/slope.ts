import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import type { Device } from "../../src/ports/device.ts";
import { scoped } from "../../src/train/ownership.ts";
import { leavesOf, mapTree, type Tree, withLeaves } from "../../src/train/tree.ts";

const STEP = 1e-2;
const TOLERANCE = 2e-2;

/**
 * Expects the gradient of a loss, at each leaf, to be the slope that is found by a step along it: a central
 * difference in float32, so within 2 % and a rounding. A loss that bends more wants a shorter step.
 */
export async function assertSlopes<P extends Tree>(
  device: Device,
  params: P,
  loss: (params: P) => tf.Scalar,
  step = STEP,
): Promise<void> {
  const leaves = leavesOf(params);
  for (const [index, [path]] of leaves.entries()) {
    const values = scoped(() => {
      const inputs = leaves.map(([, leaf]) => leaf);
      const { grads } = tf.engine().gradients(() => loss(params), inputs, undefined, true);
      const norm = tf.norm(grads[index]!);
      const direction = tf.div(grads[index]!, norm);
      const at = (by: number) => {
        const moved = tf.add(leaves[index]![1], tf.mul(direction, by));
        const all = leaves.map(([, leaf], place) => place === index ? moved : leaf);
        return loss(withLeaves(params, all));
      };
      return tf.stack([norm, tf.div(tf.sub(at(step), at(-step)), 2 * step)]);
    });
    const [norm, slope] = (await device.read(values)).data;
    values.dispose();
    const off = Math.abs(norm! - slope!);
    assert.ok(off <= TOLERANCE * norm! + 1e-4, `${path}: gradient ${norm}, slope ${slope}`);
  }
}

/** The parameters, each with numbers of its own in place of what it began with. */
export function unsettled<P extends Tree>(params: P): P {
  let seed = 0;
  return mapTree((leaf) => tf.add(leaf, tf.mul(tf.sin(ramp(leaf.shape, seed++)), 0.3)), params);
}

function ramp(shape: number[], seed: number): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.reshape(tf.tensor1d(Array.from({ length: size }, (_, i) => seed + 1.7 * i)), shape);
}
