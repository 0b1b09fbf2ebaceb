import * as tf from "@tensorflow/tfjs";

/** Type and shape of a tensor. */
export interface TensorSpec {
  readonly dtype: "float32" | "int32";
  readonly shape: readonly number[];
}

/** What a kernel is told besides its inputs. */
export type Attributes = Readonly<Record<string, number | boolean>>;

/**
 * A computation of foldlog's own that each backend implements: registered with tfjs under its name,
 * with the same meaning everywhere, and on each backend with one fixed order of additions.
 */
export interface Kernel<A extends Attributes = Attributes> {
  readonly name: `foldlog.${string}`;
  /** The types of its inputs, where they are not all float32; "any" reads bits, whatever they mean. */
  readonly takes?: "any" | readonly (TensorSpec["dtype"] | "any")[];
  /** What it makes of inputs of these types and shapes. */
  readonly results: (inputs: readonly TensorSpec[], attributes: A) => readonly TensorSpec[];
}

/** A float32 tensor of a shape. */
export function float32(shape: readonly number[]): TensorSpec {
  return { dtype: "float32", shape };
}

/**
 * Runs a kernel on the current backend. It has no gradient of its own: see `withGradient`. Borrows the
 * inputs; the caller owns the results.
 *
 * @throws {TypeError} for an input of another type than the kernel takes: it would read bits as what they are not
 */
export function run<A extends Attributes>(
  { name, takes }: Kernel<A>,
  inputs: readonly tf.Tensor[],
  attributes: A,
): tf.Tensor[] {
  inputs.forEach((input, place) => requireType(name, input, takes, place));
  const named: Record<string, tf.Tensor> = Object.fromEntries(inputs.entries());
  return tf.engine().runKernel(name, named, attributes);
}

function requireType(
  name: string,
  { dtype, shape }: tf.Tensor,
  takes: Kernel["takes"],
  place: number,
): void {
  const expected = takes === "any" ? takes : takes?.[place] ?? "float32";
  if (expected === "any" || dtype === expected) return;
  throw new TypeError(
    `Expected ${expected} as input ${place} of ${name}, found ${dtype} [${shape}]: ` +
      `convert it with tf.cast(x, "${expected}")`,
  );
}

/** The attributes of a kernel. */
export type AttributesOf<K> = K extends Kernel<infer A> ? A : never;

/** Registers a kernel with tfjs for a backend, unless that was done before. */
export function register<B, A extends Attributes>(
  backendName: string,
  kernel: Kernel<A>,
  compute: (
    backend: B,
    inputs: readonly tf.TensorInfo[],
    results: readonly TensorSpec[],
    attributes: A,
  ) => tf.TensorInfo[],
): void {
  if (tf.getKernel(kernel.name, backendName) !== undefined) return;
  tf.registerKernel({
    kernelName: kernel.name,
    backendName,
    kernelFunc({ inputs, backend, attrs }) {
      const given = Object.values(inputs) as (tf.TensorInfo & TensorSpec)[];
      const attributes = attrs as unknown as A;
      return compute(backend as B, given, kernel.results(given, attributes), attributes);
    },
  });
}
