// The functions of the kernels' module, in AssemblyScript (https://www.assemblyscript.org): TypeScript's
// syntax on WebAssembly's types. `tools/kernels/build_kernels.ts` compiles them to `../kernels_wasm.ts`.
//
// Addresses are in bytes, lengths in elements. No function allocates, keeps anything, or reads beyond
// what it was given; each adds in one order that depends on sizes alone.
export { adam } from "./adam";
export {
  attentionWeights,
  attentionWeightsGradient,
  mixValues,
  mixValuesGradient,
} from "./attention";
export { choose } from "./choose";
export { crossEntropy, crossEntropyGradient } from "./cross_entropy";
export { dropout } from "./dropout";
export { fingerprint } from "./fingerprint";
export { gelu, geluGradient } from "./gelu";
export { half } from "./half";
export { addPatches, patches, upsample, upsampleGradient } from "./images";
export { layerNorm, layerNormGradient } from "./layer_norm";
export { multiplyAdd } from "./multiply_add";
export { product, workBytes } from "./product";
export { addRows, takeRows } from "./rows";
export { sumRows, sumSquares } from "./sums";
