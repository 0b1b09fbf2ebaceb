import * as tf from "@tensorflow/tfjs";
import type { Trainee, TraineeMemory } from "./trainee.ts";

/** What tfjs counts: tensors now, and bytes over one step. */
export async function tfjsMemory(step: Trainee["step"]): Promise<TraineeMemory> {
  const { numTensors } = tf.memory();
  const { peakBytes } = await tf.profile(async () => {
    await step();
    return [];
  });
  return { tensors: numTensors, peakBytes };
}
