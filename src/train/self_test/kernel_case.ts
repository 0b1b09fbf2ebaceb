import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../../core/host_tensor.ts";
import { foldIn, key } from "../../core/rng_key.ts";
import { toDevice } from "../device_tensor.ts";
import type { DrawnInput } from "./drawn_input.ts";

/** A computation of a self-test: a kernel on inputs of certain sizes. */
export interface KernelCase {
  /** The name by which tfjs knows the kernel. */
  readonly kernel: string;
  readonly inputs: readonly DrawnInput[];
  /** The names of the inputs; none where the kernel takes a list. */
  readonly names: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** A case as people read it: the shapes of its inputs, and its attributes. */
export function describeCase({ inputs, attributes }: KernelCase): string {
  const shapes = inputs.map(({ shape }) => `[${shape}]`).join(" ");
  return Object.keys(attributes).length === 0 ? shapes : `${shapes} ${JSON.stringify(attributes)}`;
}

/** Whether the current backend has a kernel of this name. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

/**
 * What the current backend makes of a case; the caller owns the results. The inputs are drawn each time
 * and uploaded anew.
 */
export function computeCase(one: KernelCase): tf.Tensor[] {
  return tf.tidy(() => {
    const root = foldIn(foldIn(key(0), one.kernel), describeCase(one));
    const inputs = one.inputs.map(({ shape, draw }, place) => {
      const data = draw(foldIn(root, place), sizeOf(shape));
      return toDevice({ data, shape, dtype: data instanceof Int32Array ? "int32" : "float32" });
    });
    const given = one.names.length === 0
      ? inputs as unknown as tf.NamedTensorMap // a list, as `Concat` takes it
      : Object.fromEntries(one.names.map((name, place) => [name, inputs[place]!]));
    const made: tf.Tensor | tf.Tensor[] = tf.engine()
      .runKernel(one.kernel, given, one.attributes as tf.NamedAttrMap);
    return Array.isArray(made) ? made : [made];
  });
}
