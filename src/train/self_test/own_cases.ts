import { imagesOf } from "../kernels/convolution.ts";
import { type Attributes, float32, type Kernel } from "../kernels/kernel.ts";
import type { Sides } from "../kernels/product.ts";
import { KERNELS } from "../kernels/registry.ts";
import {
  anyFloats,
  type DrawnInput,
  floats,
  halves,
  idsBelow,
  infinities,
  lowerSquares,
  positives,
} from "./drawn_input.ts";
import type { KernelCase } from "./kernel_case.ts";

const PLAIN: Sides = { transposeA: false, transposeB: false };
const LEFT: Sides = { transposeA: true, transposeB: false };
const RIGHT: Sides = { transposeA: false, transposeB: true };
const BOTH: Sides = { transposeA: true, transposeB: true };

/** Sizes in fours, which have shaders of their own, and not. */
const FOURS = [40, 60];
const ODD = [33, 67];

/** Batch, context, heads and width: edges of tiles, several of them, and none. */
const ATTENTIONS = [[2, 70, 3, 8], [1, 33, 2, 5], [3, 64, 4, 16]] as const;

/** Images and a window: in fours and not, of odd sizes and a stride past the window. */
const WINDOWS = [
  { x: [2, 9, 7, 8], kernelHeight: 3, kernelWidth: 3, stride: 1 },
  { x: [2, 9, 7, 5], kernelHeight: 3, kernelWidth: 3, stride: 2 },
  { x: [1, 6, 5, 68], kernelHeight: 1, kernelWidth: 1, stride: 2 },
  { x: [3, 4, 11, 3], kernelHeight: 5, kernelWidth: 4, stride: 2 },
  { x: [1, 13, 8, 4], kernelHeight: 2, kernelWidth: 3, stride: 4 },
  { x: [1, 12, 30, 33], kernelHeight: 3, kernelWidth: 3, stride: 1 },
] as const;

/** Images in fours and not, of more channels than share a pixel out, and of several workgroups. */
const IMAGES = [[2, 6, 4, 8], [3, 2, 10, 5], [1, 2, 2, 68], [2, 20, 34, 6]] as const;

/**
 * Cases of every kernel of foldlog's own, of sizes that reach each way it computes: several workgroups
 * and blocks of the packed product, edges of tiles and of fours, rows longer than a workgroup is wide.
 */
export function ownCases(): readonly KernelCase[] {
  return Object.values(CASES).flat();
}

/** By kernel, so that the types see to it that none is forgotten. */
const CASES: Readonly<Record<keyof typeof KERNELS, readonly KernelCase[]>> = {
  adamUpdate: [FOURS, ODD].map((shape) =>
    of(KERNELS.adamUpdate, [
      floats(...shape),
      floats(...shape),
      positives(...shape),
      floats(...shape),
    ], {
      ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, correction1: 0.19, correction2: 0.002 },
      ...{ decay: 0.1, learningRate: 3e-4 },
    })
  ),
  addPatches: WINDOWS.map(({ x, ...window }) => {
    const images = imagesOf(x);
    const [rows] = KERNELS.patches.results([float32(x)], window);
    return of(KERNELS.addPatches, [floats(...rows!.shape)], { ...images, ...window });
  }),
  addRows: [[300, 36, 50], [130, 7, 3000], [150, 80, 1]].map(([count, n, rows]) =>
    of(KERNELS.addRows, [floats(count!, n!), idsBelow(rows!, count!)], { rows: rows! })
  ),
  attentionWeights: ATTENTIONS.map(([batch, context, heads, width]) =>
    of(KERNELS.attentionWeights, [qkv(batch, context, heads, width)], { batch, context, heads })
  ),
  attentionWeightsGradient: ATTENTIONS.map(([batch, context, heads, width]) =>
    of(KERNELS.attentionWeightsGradient, [
      floats(batch, heads, context, context),
      lowerSquares(batch, heads, context, context),
      qkv(batch, context, heads, width),
    ], { batch, context, heads })
  ),
  choose: [FOURS, ODD].flatMap((shape) =>
    [floats(), infinities()].map((measure) =>
      of(KERNELS.choose, [measure, floats(...shape), floats(...shape)], {})
    )
  ),
  crossEntropy: [[70, 260], [33, 77], [3, 1001]].map(([rows, n]) =>
    of(KERNELS.crossEntropy, [floats(rows!, n!), idsBelow(n!, rows!)], {})
  ),
  // The last has more rows than a dispatch has workgroups in one dimension.
  crossEntropyGradient: [[70, 260], [33, 77], [66_000, 3]].map(([rows, n]) =>
    of(KERNELS.crossEntropyGradient, [floats(), positives(rows!, n!), idsBelow(n!, rows!)], {})
  ),
  dropout: [7, 1001, 20_000].map((count) =>
    of(KERNELS.dropout, [floats(count)], {
      ...{ hi: 0x89abcdef, lo: 0xfedcba98, threshold: 2 ** 30, kept: Math.fround(1 / 0.75) },
    })
  ),
  fingerprint: [of(KERNELS.fingerprint, [floats(5), floats(130, 65), floats(70_001)], {})],
  gelu: [FOURS, ODD].map((shape) => of(KERNELS.gelu, [floats(...shape)], {})),
  geluGradient: [FOURS, ODD].map((shape) =>
    of(KERNELS.geluGradient, [floats(...shape), floats(...shape)], {})
  ),
  half: [FOURS, ODD].map((shape) => of(KERNELS.half, [anyFloats(...shape)], {})),
  layerNorm: [[37, 300], [5, 77], [600, 8]].map(([rows, n]) =>
    of(KERNELS.layerNorm, [floats(rows!, n!), floats(n!), floats(n!)], { epsilon: 1e-5 })
  ),
  layerNormGradient: [[37, 300], [5, 77], [600, 8]].map(([rows, n]) =>
    of(KERNELS.layerNormGradient, [
      floats(rows!, n!),
      floats(rows!, n!),
      floats(n!),
      floats(rows!),
      positives(rows!),
    ], {})
  ),
  mixValues: ATTENTIONS.map(([batch, context, heads, width]) =>
    of(KERNELS.mixValues, [
      lowerSquares(batch, heads, context, context),
      qkv(batch, context, heads, width),
    ], { batch, context, heads })
  ),
  mixValuesGradient: ATTENTIONS.map(([batch, context, heads, width]) =>
    of(KERNELS.mixValuesGradient, [
      floats(batch * context, heads * width),
      lowerSquares(batch, heads, context, context),
      qkv(batch, context, heads, width),
    ], { batch, context, heads })
  ),
  patches: WINDOWS.map(({ x, ...window }) => of(KERNELS.patches, [floats(...x)], window)),
  product: [
    ...[PLAIN, LEFT, RIGHT, BOTH].flatMap((sides) => [
      product([70, 36], [36, 44], sides, true),
      product([70, 35], [35, 46], sides, true),
    ]),
    product([3, 17, 20], [3, 20, 9], RIGHT),
    product([2, 3, 9, 8], [2, 3, 8, 72], LEFT),
    product([5, 9, 12], [12, 20], PLAIN, true),
    product([9, 12], [5, 12, 20], PLAIN),
    product([1, 300], [300, 1], PLAIN),
    product([600, 3], [3, 260], RIGHT),
    product([66, 520], [520, 516], PLAIN),
    of(KERNELS.product, [halves(70, 36), halves(36, 44), floats(44)], PLAIN), // of mixed precision
    of(KERNELS.product, [halves(35, 70), halves(46, 35)], BOTH),
  ],
  sumRows: [[300, 70], [77, 260], [1, 33]].map(([rows, n]) =>
    of(KERNELS.sumRows, [floats(rows!, n!)], {})
  ),
  sumSquares: [[5], [130, 65], [70_001]].map((shape) =>
    of(KERNELS.sumSquares, [floats(...shape)], {})
  ),
  takeRows: [[50, 36, 300], [3000, 7, 130]].map(([rows, n, count]) =>
    of(KERNELS.takeRows, [floats(rows!, n!), idsBelow(rows!, count!)], {})
  ),
  upsample: IMAGES.map((shape) => of(KERNELS.upsample, [floats(...shape)], {})),
  upsampleGradient: IMAGES.map((shape) => of(KERNELS.upsampleGradient, [floats(...shape)], {})),
};

function of<A extends Attributes>(
  { name }: Kernel<A>,
  inputs: readonly DrawnInput[],
  attributes: A,
): KernelCase {
  return { kernel: name, inputs, names: inputs.map((_, place) => String(place)), attributes };
}

function qkv(batch: number, context: number, heads: number, width: number): DrawnInput {
  return floats(batch * context, 3 * heads * width);
}

/** The product of matrices of these shapes after any exchange. */
function product(
  a: readonly number[],
  b: readonly number[],
  sides: Sides,
  bias = false,
): KernelCase {
  const inputs = [
    floats(...exchanged(a, sides.transposeA)),
    floats(...exchanged(b, sides.transposeB)),
    ...(bias ? [floats(b.at(-1)!)] : []),
  ];
  return of(KERNELS.product, inputs, sides);
}

function exchanged(shape: readonly number[], transposed: boolean): readonly number[] {
  return transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
}
