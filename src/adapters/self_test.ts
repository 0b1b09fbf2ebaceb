import * as tf from "@tensorflow/tfjs";
import type { Device } from "../ports/device.ts";

/**
 * Whether the current backend computes a small product and its gradient as arithmetic says, and the
 * same bits twice.
 */
export async function selfTest(device: Device): Promise<boolean> {
  const first = await gradientBits(device);
  const second = await gradientBits(device);
  // d/dx sum((x w)^2) = 2 x w w' for x = [1, 2], w = [[1, 2], [3, 4]]: x w = [7, 10].
  return first.join() === "54,122" && first.join() === second.join();
}

async function gradientBits(device: Device): Promise<readonly number[]> {
  const gradient = tf.tidy(() => {
    const weight = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    return tf.grad((x) => tf.sum(tf.square(tf.matMul(x as tf.Tensor2D, weight))))(
      tf.tensor2d([1, 2], [1, 2]),
    );
  });
  const { data } = await device.read(gradient);
  gradient.dispose();
  return [...data];
}
