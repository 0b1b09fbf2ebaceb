import type { Device, PartialConfig, Task, Tree } from "foldlog";
import type * as tf from "foldlog/tf";
import { evaluatedTask } from "./evaluated_task.ts";

/** `evaluatedTask` whose evaluations, after steps 2 and 4, make two samples of its slope: bytes, and a text. */
export function sampledTask(config: PartialConfig = {}): Task {
  return { ...evaluatedTask(config), artifacts: slopeFiles };
}

/** The samples of a step. */
export async function slopeFiles(params: Tree, _key: unknown, device: Device, step: number) {
  const { data } = await device.read((params as { readonly w: tf.Scalar }).w);
  return [
    { name: `step_${step}_slope.bin`, bytes: new Uint8Array(data.slice().buffer) },
    { name: `step_${step}_slope.txt`, bytes: new TextEncoder().encode(`${data[0]}\n`) },
  ];
}
