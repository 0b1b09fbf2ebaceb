/**
 * Pure functions over tensors: trees, the training step, optimisers, and kernels that add in a fixed
 * order on every backend.
 *
 * @module
 */
export { adafactor, type AdafactorOptions, type AdafactorState } from "./adafactor.ts";
export { adam, type AdamOptions, type AdamState, adamw, scaleByAdam } from "./adamw.ts";
export { chain } from "./chain.ts";
export { clipByGlobalNorm, clipByValue, globalNorm } from "./clip.ts";
export { addDecayedWeights } from "./decayed_weights.ts";
export { batchToDevice, toDevice } from "./device_tensor.ts";
export { emaOf } from "./ema.ts";
export { type AttentionShape, causalAttention } from "./kernels/attention.ts";
export { convolution } from "./kernels/convolution.ts";
export { crossEntropy } from "./kernels/cross_entropy.ts";
export { dropout } from "./kernels/dropout.ts";
export { embedding } from "./kernels/embedding.ts";
export { gelu } from "./kernels/gelu.ts";
export { layerNorm } from "./kernels/layer_norm.ts";
export { NonDeterministicOp } from "./kernels/ordered_ops.ts";
export { dense, product, type Sides } from "./kernels/product.ts";
export { upsample } from "./kernels/upsample.ts";
export { type Forward, type InputGradient, withGradient } from "./kernels/with_gradient.ts";
export type { LeafPattern } from "./leaf_pattern.ts";
export { lion, type LionOptions, type LionState } from "./lion.ts";
export type { Batch, HostBatch, Loss } from "./loss.ts";
export { type Optimizer, stateless, type UpdateContext } from "./optimizer.ts";
export { optimizerOf } from "./optimizer_of.ts";
export { type ParameterGroup, perGroup } from "./per_group.ts";
export {
  initLossScale,
  type LossScale,
  type LossScaleOptions,
  nextLossScale,
} from "./loss_scale.ts";
export { release, releaseOnThrow, scoped } from "./ownership.ts";
export { withPrecision } from "./precision.ts";
export type { Probe, ProbedStep, ProbeValues } from "./probe.ts";
export { gradientNorms, perSampleLosses, weightNorms } from "./probes.ts";
export { restoreTree } from "./restore.ts";
export { scaleByLearningRate, sgd, trace } from "./sgd.ts";
export {
  initialTrainState,
  tensorsOf,
  type TensorTrees,
  type TrainState,
  type TrainStateOptions,
} from "./train_state.ts";
export { type DeviceMetrics, type Training, trainStep } from "./train_step.ts";
export {
  isTensor,
  type Leaf,
  leavesOf,
  mapNamed,
  mapTree,
  type Scalar,
  type Tensor,
  type Tree,
  withLeaves,
} from "./tree.ts";
export type { DecayMask, DecayOptions } from "./weight_decay.ts";
