/** Pure models. @module */
export { accuracy } from "./accuracy.ts";
export { encoderOutputs, type EncoderParams, type EncoderSizes, initEncoder } from "./encoder.ts";
export { fullAttention } from "./full_attention.ts";
export { languageModelLoss, nextTokenLogits, type TokenTensors } from "./language_model.ts";
export type { Dense, Norm } from "./layers.ts";
export {
  initLora,
  type LoraAdapter,
  loraDense,
  type LoraOptions,
  loraScale,
  mergeLora,
  unmergeLora,
  withLora,
} from "./lora.ts";
export { hiddenTokens } from "./hidden_tokens.ts";
export { initMlp, mlpLogits, type MlpParams, type MlpSizes } from "./mlp.ts";
export {
  classificationLoss,
  type Predict,
  regressionLoss,
  type SupervisedLoss,
  type SupervisedTensors,
} from "./supervised_loss.ts";
export { inpainted, inpaintingLoss, inpaintingMeasures } from "./inpainting.ts";
export {
  initTransformer,
  transformerLogits,
  type TransformerParams,
  type TransformerSizes,
} from "./transformer.ts";
export type { TransformerBlock } from "./transformer_block.ts";
export {
  type Convolution,
  initUnet,
  type UnetBlock,
  unetOutputs,
  type UnetParams,
  type UnetSizes,
} from "./unet.ts";
