import type { AttributesOf } from "../kernel.ts";
import type { KernelName, KERNELS } from "../registry.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";
import {
  attentionWeights,
  attentionWeightsGradient,
  mixValues,
  mixValuesGradient,
} from "./webgpu_attention.ts";
import { crossEntropy, crossEntropyGradient } from "./webgpu_cross_entropy.ts";
import { adamUpdate, dropout, gelu, geluGradient } from "./webgpu_elementwise.ts";
import { addRows, takeRows } from "./webgpu_embedding.ts";
import { fingerprint } from "./webgpu_fingerprint.ts";
import { addPatches, patches, upsample, upsampleGradient } from "./webgpu_images.ts";
import { layerNorm, layerNormGradient } from "./webgpu_layer_norm.ts";
import { product } from "./webgpu_product.ts";
import { sumRows, sumSquares } from "./webgpu_sums.ts";
import { choose, half } from "./webgpu_words.ts";

/** foldlog's kernels in WGSL, each recorded as one dispatch or a few. */
export const webGpuKernels: {
  readonly [Name in KernelName]: WebGpuKernel<AttributesOf<(typeof KERNELS)[Name]>>;
} = {
  adamUpdate,
  addPatches,
  addRows,
  attentionWeights,
  attentionWeightsGradient,
  choose,
  crossEntropy,
  crossEntropyGradient,
  dropout,
  fingerprint,
  gelu,
  geluGradient,
  half,
  layerNorm,
  layerNormGradient,
  mixValues,
  mixValuesGradient,
  patches,
  product,
  sumRows,
  sumSquares,
  takeRows,
  upsample,
  upsampleGradient,
};
