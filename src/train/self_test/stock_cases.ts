import { type DrawnInput, floats, idsBelow, positives } from "./drawn_input.ts";
import type { KernelCase } from "./kernel_case.ts";

/** Small enough for the host, which webgpu leaves such to; in fours, which have shaders of their own; and not. */
const SHAPES = [[3], [40, 60], [33, 67]];

/** Both alike, and the ways in which one side is repeated. */
const PAIRS = [[[40, 60], [40, 60]], [[33, 67], [67]], [[33, 1], [1, 67]], [[130, 65], []]];

/** What is added up, and over which dimensions: few, many, and the outer ones. */
const SUMS: readonly (readonly [shape: readonly number[], axis: readonly number[]])[] = [
  [[5], [0]],
  [[300, 70], [0]],
  [[70, 300], [1]],
  [[8, 40, 60], [0, 2]],
  [[5000], [0]],
  [[40_000], [0]],
];

/** Image, filter, stride and padding: the general way, one in fours, and the two that are products. */
const CONVOLUTIONS = [
  { x: [2, 9, 9, 3], filter: [3, 3, 3, 8], strides: 1, pad: "same", dy: [2, 9, 9, 8] },
  { x: [2, 9, 9, 4], filter: [3, 3, 4, 16], strides: 2, pad: "valid", dy: [2, 4, 4, 16] },
  { x: [2, 6, 6, 8], filter: [1, 1, 8, 12], strides: 1, pad: "valid", dy: [2, 6, 6, 12] },
  { x: [4, 5, 5, 4], filter: [5, 5, 4, 6], strides: 1, pad: "valid", dy: [4, 1, 1, 6] },
  { x: [2, 12, 12, 8], filter: [3, 3, 8, 16], strides: 1, pad: "same", dy: [2, 12, 12, 16] },
];

/** Image, window, stride and result: side by side, overlapping, and the whole. */
const POOLS = [
  { x: [2, 8, 8, 5], filterSize: 2, strides: 2, y: [2, 4, 4, 5] },
  { x: [2, 9, 9, 4], filterSize: 3, strides: 2, y: [2, 4, 4, 4] },
  { x: [2, 7, 7, 3], filterSize: 7, strides: 1, y: [2, 1, 1, 3] },
];

/** Cases of those of tfjs's kernels that trainings meet, of sizes that reach each way they compute. */
export function stockCases(): readonly KernelCase[] {
  return [...elementwise(), ...reductions(), ...arrangements(), ...products(), ...images()];
}

function elementwise(): readonly KernelCase[] {
  return [
    ...["Add", "Sub", "Multiply", "RealDiv", "Maximum"].flatMap((kernel) =>
      PAIRS.map(([a, b]) => of(kernel, { a: floats(...a!), b: floats(...b!) }))
    ),
    ...["Exp", "Square", "Relu", "Tanh", "Sigmoid"].flatMap((kernel) =>
      SHAPES.map((shape) => of(kernel, { x: floats(...shape) }))
    ),
    ...["Log", "Sqrt", "Rsqrt"].flatMap((kernel) =>
      SHAPES.map((shape) => of(kernel, { x: positives(...shape) }))
    ),
    of("Cast", { x: floats(33, 67) }, { dtype: "int32" }),
    of("Cast", { x: idsBelow(2 ** 30, 40, 60) }, { dtype: "float32" }),
  ];
}

function reductions(): readonly KernelCase[] {
  return [
    ...SUMS.flatMap(([shape, axis]) => [
      of("Sum", { x: floats(...shape) }, { axis, keepDims: false }),
      of("Mean", { x: floats(...shape) }, { axis, keepDims: false }),
      of("Max", { x: floats(...shape) }, { reductionIndices: axis, keepDims: false }),
    ]),
    ...[[33, 67], [70, 260], [3, 1001]].map((shape) =>
      of("Softmax", { logits: floats(...shape) }, { dim: 1 })
    ),
    of("UnsortedSegmentSum", { x: floats(300, 36), segmentIds: idsBelow(50, 300) }, {
      numSegments: 50,
    }),
    of("UnsortedSegmentSum", { x: floats(130, 7, 3), segmentIds: idsBelow(3, 130) }, {
      numSegments: 3,
    }),
  ];
}

function arrangements(): readonly KernelCase[] {
  return [
    of("Transpose", { x: floats(64, 48) }, { perm: [1, 0] }),
    of("Transpose", { x: floats(33, 67) }, { perm: [1, 0] }),
    of("Transpose", { x: floats(3, 17, 20) }, { perm: [2, 0, 1] }),
    of("Transpose", { x: floats(2, 5, 12, 16) }, { perm: [0, 2, 1, 3] }),
    of("Reshape", { x: floats(33, 67) }, { shape: [67, 33] }),
    list("Concat", [floats(3, 5), floats(3, 7)], { axis: 1 }),
    list("Concat", [floats(40, 60), floats(7, 60), floats(1, 60)], { axis: 0 }),
    list("Concat", [7, 8, 9, 10, 11].map((n) => floats(33, n)), { axis: 1 }),
    list("Concat", [floats(2, 9, 7, 5), floats(2, 9, 7, 8)], { axis: 3 }),
    of("SplitV", { x: floats(33, 67) }, { numOrSizeSplits: [30, 37], axis: 1 }),
    of("SplitV", { x: floats(2, 9, 7, 12) }, { numOrSizeSplits: [4, 8], axis: 3 }),
    of("Slice", { x: floats(33, 67) }, { begin: [2, 3], size: [30, 50] }),
    of("Slice", { x: floats(3, 17, 20) }, { begin: [1, 0, 4], size: [2, 17, 16] }),
    of("Tile", { x: floats(7, 9) }, { reps: [5, 4] }),
    of("Tile", { x: floats(2, 17, 20) }, { reps: [1, 3, 2] }),
    of("GatherV2", { x: floats(50, 36), indices: idsBelow(50, 300) }, { axis: 0, batchDims: 0 }),
    of("GatherV2", { x: floats(20, 67), indices: idsBelow(67, 33) }, { axis: 1, batchDims: 0 }),
  ];
}

function products(): readonly KernelCase[] {
  return [false, true].flatMap((transposeA) =>
    [false, true].flatMap((transposeB) =>
      [[1, 70, 36, 44], [1, 70, 35, 46], [3, 17, 20, 9], [1, 3, 700, 5]].map(([batch, n, k, m]) =>
        of("BatchMatMul", {
          a: transposeA ? floats(batch!, k!, n!) : floats(batch!, n!, k!),
          b: transposeB ? floats(batch!, m!, k!) : floats(batch!, k!, m!),
        }, { transposeA, transposeB })
      )
    )
  );
}

function images(): readonly KernelCase[] {
  return [
    ...CONVOLUTIONS.flatMap(({ x, filter, dy, strides, pad }) => {
      const attributes = { strides, pad, dataFormat: "NHWC" };
      return [
        of("Conv2D", { x: floats(...x), filter: floats(...filter) }, {
          ...attributes,
          dilations: 1,
        }),
        of("Conv2DBackpropFilter", { x: floats(...x), dy: floats(...dy) }, {
          ...attributes,
          filterShape: filter,
        }),
        of("Conv2DBackpropInput", { dy: floats(...dy), filter: floats(...filter) }, {
          ...attributes,
          inputShape: x,
        }),
      ];
    }),
    ...POOLS.flatMap(({ x, y, filterSize, strides }) => {
      const attributes = { filterSize, strides, pad: "valid" };
      const [input, dy, output] = [floats(...x), floats(...y), floats(...y)];
      return [
        of("AvgPool", { x: input }, attributes),
        of("AvgPoolGrad", { dy, input }, attributes),
        of("MaxPool", { x: input }, attributes),
        of("MaxPoolGrad", { dy, input, output }, attributes),
      ];
    }),
  ];
}

function of(
  kernel: string,
  inputs: Readonly<Record<string, DrawnInput>>,
  attributes: KernelCase["attributes"] = {},
): KernelCase {
  return { kernel, inputs: Object.values(inputs), names: Object.keys(inputs), attributes };
}

function list(
  kernel: string,
  inputs: readonly DrawnInput[],
  attributes: KernelCase["attributes"],
): KernelCase {
  return { kernel, inputs, names: [], attributes };
}
