import type { HostTensor } from "../core/host_tensor.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import { type LoraOptions, loraScale } from "./lora.ts";

/** How adapters are merged. */
export interface MergeOptions extends Pick<LoraOptions, "rank" | "alpha" | "rslora"> {
  /** Whether the training rounded the factors to float16, as mixed precision does. */
  readonly halves: boolean;
}

/**
 * One model of a base, at `base.<path>`, and its adapters, at `lora.<path>.a` and `.b`: W + scale A B in place
 * of each adapted weight W, under the base's own paths. Computed in host memory in float64, and rounded once.
 * Borrows the tensors; those without an adapter are the very ones.
 */
export function mergedWeights(weights: TensorGroup, options: MergeOptions): TensorGroup {
  const scale = loraScale(options);
  const merged = new Map<string, HostTensor>();
  for (const [name, tensor] of weights) {
    const path = /^base\.(.+)$/.exec(name)?.[1];
    if (path === undefined) continue;
    const a = weights.get(`lora.${path}.a`);
    const b = weights.get(`lora.${path}.b`);
    merged.set(path, a && b ? sum(tensor, factor(a, options), factor(b, options), scale) : tensor);
  }
  return merged;
}

/** W + scale A B; of W's last dimension `outputs`, all before it are rows. */
function sum(
  { dtype, shape, data }: HostTensor,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  scale: number,
): HostTensor {
  const outputs = shape.at(-1)!;
  const rank = b.length / outputs;
  const result = new Float32Array(data.length);
  for (let place = 0; place < data.length; place++) {
    const column = place % outputs;
    const row = (place - column) / outputs;
    let product = 0;
    for (let inner = 0; inner < rank; inner++) {
      product += a[row * rank + inner]! * b[inner * outputs + column]!;
    }
    result[place] = data[place]! + scale * product;
  }
  return { dtype, shape, data: result };
}

function factor({ data }: HostTensor, { halves }: MergeOptions): ArrayLike<number> {
  return halves ? Float32Array.from(data, Math.f16round) : data;
}
