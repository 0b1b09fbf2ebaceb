import { inpainted } from "../model/inpainting.ts";
import type { Predict } from "../model/supervised_loss.ts";
import type { BatchSource } from "../ports/batch_source.ts";
import type { Task } from "../ports/task.ts";
import { batchToDevice } from "../train/device_tensor.ts";
import { release, scoped } from "../train/ownership.ts";
import type { Tree } from "../train/tree.ts";
import { imageStrip } from "./data/image_strip.ts";
import type { MaskedBatch } from "./data/masked_digits.ts";

/** How many held-out digits are shown, the first. */
const SHOWN = 4;

/**
 * Samples of a model that fills what is hidden of images: for each of the first four of `heldOut` a picture
 * of its input, its mask, what the model makes of it, and the truth, from the left to the right.
 */
export function inpaintedStrips<P extends Tree>(
  predict: Predict<P>,
  heldOut: BatchSource<MaskedBatch>,
): NonNullable<Task<P>["artifacts"]> {
  return async (params, _key, device, step) => {
    const numbers = Array.from({ length: SHOWN }, (_, number) => number);
    const { inputs, targets } = await heldOut.at(numbers);
    const [, height = 0, width = 0] = targets.shape;
    const pixels = height * width;
    const output = scoped(() => {
      const { inputs: x } = batchToDevice({ inputs });
      return inpainted(predict(params, x!), x!);
    });
    const { data: filled } = await device.read(output).finally(() => release(output));
    return numbers.map((number) => {
      const of = (data: ArrayLike<number>, stride = 1, offset = 0) => ({
        width,
        height,
        data: Float32Array.from(
          { length: pixels },
          (_, pixel) => data[(number * pixels + pixel) * stride + offset]!,
        ),
      });
      const seen = inputs.data.map((shade) => (shade + 1) / 2); // what is hidden is gray
      const images = [of(seen, 2), of(inputs.data, 2, 1), of(filled), of(targets.data)];
      return { name: `step_${step}_sample_${number}.png`, bytes: imageStrip(images) };
    });
  };
}
