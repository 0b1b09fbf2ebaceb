/** Pure models. @module */
export { languageModelLoss, nextTokenLogits, type TokenTensors } from "./language_model.ts";
export {
  initTransformer,
  transformerLogits,
  type TransformerParams,
  type TransformerSizes,
} from "./transformer.ts";
