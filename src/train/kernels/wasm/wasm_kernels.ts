import { sizeOf } from "../../../core/host_tensor.ts";
import { type Geometry, geometryOf, imagesOf } from "../convolution.ts";
import type { AttributesOf } from "../kernel.ts";
import { productShape } from "../product.ts";
import type { KernelName, KERNELS } from "../registry.ts";
import type { AttentionShape } from "../attention.ts";
import type { Placed, WasmKernel } from "./register_wasm_kernels.ts";

const FULL = 0;

/** foldlog's kernels, each a call of the function of `assembly/` that has its name. */
export const wasmKernels: {
  readonly [Name in KernelName]: WasmKernel<AttributesOf<(typeof KERNELS)[Name]>>;
} = {
  product({ functions, work }, [a, b, bias], [c], sides) {
    const { batch, rows, columns, inner } = productShape(a!.shape, b!.shape, sides);
    const [aRow, aColumn] = sides.transposeA ? [1, rows] : [inner, 1];
    const [bRow, bColumn] = sides.transposeB ? [1, inner] : [columns, 1];
    const aBytes = a!.shape.length > 2 ? 4 * rows * inner : 0;
    const bBytes = b!.shape.length > 2 ? 4 * inner * columns : 0;
    for (let item = 0; item < sizeOf(batch); item++) {
      const left = a!.at + item * aBytes;
      const right = b!.at + item * bBytes;
      const out = c!.at + item * 4 * rows * columns;
      functions["product"]!(
        ...[left, aRow!, aColumn!, right, bRow!, bColumn!, out, columns],
        ...[rows, columns, inner, bias?.at ?? 0, FULL, work],
      );
    }
  },

  sumRows({ functions }, [x], [sums]) {
    const n = sizeOf(sums!.shape);
    functions["sumRows"]!(x!.at, sums!.at, x!.shape[0]!, n);
  },

  sumSquares({ functions, write }, [x], [sum]) {
    write(sum!.at, functions["sumSquares"]!(x!.at, sizeOf(x!.shape)));
  },

  takeRows({ functions }, [table, ids], [rows]) {
    const [count, n] = table!.shape;
    functions["takeRows"]!(table!.at, ids!.at, rows!.at, ids!.shape[0]!, count!, n!);
  },

  addRows({ functions }, [x, ids], [table]) {
    const [rows, n] = table!.shape;
    functions["addRows"]!(x!.at, ids!.at, table!.at, x!.shape[0]!, rows!, n!);
  },

  fingerprint({ functions }, inputs, [sums]) {
    inputs.forEach(({ at, shape }, index) => {
      functions["fingerprint"]!(at, sizeOf(shape), sums!.at + 16 * index);
    });
  },

  patches({ functions }, [x], [rows], window) {
    const sizes = geometrySizes(geometryOf(imagesOf(x!.shape), window));
    functions["patches"]!(x!.at, rows!.at, ...sizes);
  },

  addPatches({ functions }, [rows], [x], attributes) {
    const sizes = geometrySizes(geometryOf(attributes, attributes));
    functions["addPatches"]!(rows!.at, x!.at, ...sizes);
  },

  upsample({ functions }, [x], [y]) {
    const { items, height, width, channels } = imagesOf(x!.shape);
    functions["upsample"]!(x!.at, y!.at, items * height, width, channels);
  },

  upsampleGradient({ functions }, [dy], [dx]) {
    const { items, height, width, channels } = imagesOf(dx!.shape);
    functions["upsampleGradient"]!(dy!.at, dx!.at, items * height, width, channels);
  },

  gelu({ functions }, [x], [y]) {
    functions["gelu"]!(x!.at, y!.at, sizeOf(x!.shape));
  },

  geluGradient({ functions }, [dy, x], [dx]) {
    functions["geluGradient"]!(dy!.at, x!.at, dx!.at, sizeOf(x!.shape));
  },

  half({ functions }, [x], [y]) {
    functions["half"]!(x!.at, y!.at, sizeOf(x!.shape));
  },

  choose({ functions }, inputs, results) {
    functions["choose"]!(...places(inputs), ...places(results), sizeOf(results[0]!.shape));
  },

  layerNorm({ functions }, inputs, results, { epsilon }) {
    const [rows, n] = inputs[0]!.shape;
    functions["layerNorm"]!(...places(inputs), ...places(results), rows!, n!, epsilon);
  },

  layerNormGradient({ functions }, inputs, results) {
    const [rows, n] = inputs[0]!.shape;
    functions["layerNormGradient"]!(...places(inputs), ...places(results), rows!, n!);
  },

  crossEntropy({ functions }, inputs, results) {
    const [rows, n] = inputs[0]!.shape;
    functions["crossEntropy"]!(...places(inputs), ...places(results), rows!, n!);
  },

  crossEntropyGradient({ functions, read }, [dy, softmax, targets], [gradient]) {
    const [rows, n] = softmax!.shape;
    const weight = Math.fround(read(dy!.at) / rows!);
    functions["crossEntropyGradient"]!(softmax!.at, targets!.at, weight, gradient!.at, rows!, n!);
  },

  dropout({ functions, work }, [x], [y], { hi, lo, threshold, kept }) {
    functions["dropout"]!(x!.at, y!.at, sizeOf(x!.shape), hi, lo, threshold, kept, work);
  },

  adamUpdate({ functions }, inputs, results, numbers) {
    const { beta1, beta2, epsilon, correction1, correction2, decay, learningRate } = numbers;
    functions["adam"]!(
      ...places(inputs),
      ...places(results),
      sizeOf(inputs[0]!.shape),
      ...[beta1, 1 - beta1, beta2, 1 - beta2, correction1, correction2, epsilon, decay],
      learningRate,
    );
  },

  attentionWeights({ functions, work }, inputs, results, shape) {
    const { sizes, factor } = attentionSizes(inputs[0]!, shape);
    functions["attentionWeights"]!(...places(inputs), ...places(results), ...sizes, factor, work);
  },

  attentionWeightsGradient(module, inputs, results, shape) {
    const { sizes, factor } = attentionSizes(inputs[2]!, shape);
    const tensors = [...places(inputs), ...places(results)];
    module.withMemory(4 * shape.context ** 2, (scores) => {
      const call = module.functions["attentionWeightsGradient"]!;
      call(...tensors, ...sizes, factor, module.work, scores);
    });
  },

  mixValues({ functions, work }, inputs, results, shape) {
    const { sizes } = attentionSizes(inputs[1]!, shape);
    functions["mixValues"]!(...places(inputs), ...places(results), ...sizes, work);
  },

  mixValuesGradient({ functions, work }, inputs, results, shape) {
    const { sizes } = attentionSizes(inputs[2]!, shape);
    functions["mixValuesGradient"]!(...places(inputs), ...places(results), ...sizes, work);
  },
};

function places(tensors: readonly Placed[]): readonly number[] {
  return tensors.map(({ at }) => at);
}

/** What the kernels of patches are told of their sizes. */
function geometrySizes(geometry: Geometry): readonly number[] {
  const { items, height, width, channels, kernelHeight, kernelWidth, stride } = geometry;
  const { outHeight, outWidth, top, left } = geometry;
  return [
    ...[items, height, width, channels, kernelHeight, kernelWidth, stride],
    ...[outHeight, outWidth, top, left],
  ];
}

function attentionSizes(
  qkv: Placed,
  { batch, context, heads }: AttentionShape,
): { readonly sizes: readonly number[]; readonly factor: number } {
  const width = qkv.shape[1]! / 3 / heads;
  return { sizes: [batch, context, heads, width], factor: 1 / Math.sqrt(width) };
}
