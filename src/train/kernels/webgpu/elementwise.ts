import type * as tf from "@tensorflow/tfjs";
import type { WebGpuBackend } from "./webgpu_backend.ts";
import { sizeOf } from "../../../core/host_tensor.ts";

import { type Bindings, dispatch } from "./dispatch.ts";
import { elementsOf } from "./elements.ts";
import type { ElementType } from "./program.ts";

/** Invocations of a workgroup, and how many times each computes. */
const INVOCATIONS = 64;
const TIMES = 4;

/** A computation of each element from those at the same place in other tensors. */
export interface Elementwise {
  readonly name: string;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly uniforms: Readonly<Record<string, "u32" | "f32">>;
  /** Tensors of a single element, read as the word of its bits: `name[0]`. */
  readonly scalars?: readonly string[];
  /**
   * Whether elements are read and written as words of their bits, of type `Columns`: WGSL may change a NaN
   * or a subnormal number that is read as a float.
   */
  readonly words?: boolean;
  /** Declares `fn element(at: u32)`, which reads and writes at `at` elements of type `T`. */
  readonly source: string;
}

/** Computes all elements of tensors of one size. */
export function forEachElement(
  backend: WebGpuBackend,
  { name, reads, writes, uniforms, scalars = [], words = false, source }: Elementwise,
  bindings: Bindings,
): void {
  const size = sizeOf((bindings[writes[0]!] as tf.TensorInfo).shape);
  const { type, word, width, source: declarations } = elementsOf(size);
  const typed = (names: readonly string[], of: ElementType = words ? word : type) =>
    Object.fromEntries(names.map((name) => [name, of]));
  const program = {
    name: `${name} ${type}`,
    reads: { ...typed(reads), ...typed(scalars, "u32") },
    writes: typed(writes),
    uniforms: { count: "u32", ...uniforms },
    invocations: INVOCATIONS,
    source: `${declarations}${source}
fn kernel(group: u32, local: u32) {
  for (var i = 0u; i < ${TIMES}u; i++) {
    let at = (group * ${TIMES}u + i) * ${INVOCATIONS}u + local;
    if (at < u.count) { element(at); }
  }
}`,
  } as const;
  const count = size / width;
  dispatch(backend, program, { ...bindings, count }, Math.ceil(count / (INVOCATIONS * TIMES)));
}
