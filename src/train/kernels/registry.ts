import { ADAM_UPDATE } from "./adam_update.ts";
import {
  ATTENTION_WEIGHTS,
  ATTENTION_WEIGHTS_GRADIENT,
  MIX_VALUES,
  MIX_VALUES_GRADIENT,
} from "./attention.ts";
import { CHOOSE } from "./choose.ts";
import { ADD_PATCHES, PATCHES } from "./convolution.ts";
import { CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT } from "./cross_entropy.ts";
import { DROPOUT } from "./dropout.ts";
import { ADD_ROWS, TAKE_ROWS } from "./embedding.ts";
import { FINGERPRINT } from "./fingerprint.ts";
import { GELU, GELU_GRADIENT } from "./gelu.ts";
import { HALF } from "./half.ts";
import { LAYER_NORM, LAYER_NORM_GRADIENT } from "./layer_norm.ts";
import { PRODUCT, SUM_ROWS } from "./product.ts";
import { SUM_SQUARES } from "./sum_squares.ts";
import { UPSAMPLE, UPSAMPLE_GRADIENT } from "./upsample.ts";

/** Every kernel of foldlog's own. A backend has all of them before anything is trained on it. */
export const KERNELS = {
  adamUpdate: ADAM_UPDATE,
  addPatches: ADD_PATCHES,
  addRows: ADD_ROWS,
  attentionWeights: ATTENTION_WEIGHTS,
  attentionWeightsGradient: ATTENTION_WEIGHTS_GRADIENT,
  choose: CHOOSE,
  crossEntropy: CROSS_ENTROPY,
  crossEntropyGradient: CROSS_ENTROPY_GRADIENT,
  dropout: DROPOUT,
  fingerprint: FINGERPRINT,
  gelu: GELU,
  geluGradient: GELU_GRADIENT,
  half: HALF,
  layerNorm: LAYER_NORM,
  layerNormGradient: LAYER_NORM_GRADIENT,
  mixValues: MIX_VALUES,
  mixValuesGradient: MIX_VALUES_GRADIENT,
  patches: PATCHES,
  product: PRODUCT,
  sumRows: SUM_ROWS,
  sumSquares: SUM_SQUARES,
  takeRows: TAKE_ROWS,
  upsample: UPSAMPLE,
  upsampleGradient: UPSAMPLE_GRADIENT,
} as const;

/** The name by which a backend's kernels are listed. */
export type KernelName = keyof typeof KERNELS;
