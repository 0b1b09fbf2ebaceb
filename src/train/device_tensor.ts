import * as tf from "@tensorflow/tfjs";
import type { HostTensor } from "../core/host_tensor.ts";
import type { Batch, HostBatch } from "./loss.ts";

/** The tensor on the device, owned by the caller. Takes over the host tensor's data. */
export function toDevice({ data, shape, dtype }: HostTensor): tf.Tensor {
  return tf.tensor(data, [...shape], dtype);
}

/** The batch on the device, each tensor owned by the caller. */
export function batchToDevice(batch: HostBatch): Batch {
  return Object.fromEntries(
    Object.entries(batch).map(([name, tensor]) => [name, toDevice(tensor)]),
  );
}
