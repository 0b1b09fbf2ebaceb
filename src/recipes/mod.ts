/** Ready tasks, by name. @module */
import { gpt2 } from "./gpt2.ts";
import { inpaintBase, inpaintLora } from "./inpaint_lora.ts";
import { llmBase, llmLora } from "./llm_lora.ts";
import { mlp } from "./mlp.ts";
import { mobyGpt } from "./moby_gpt.ts";
import type { Recipe } from "./recipe.ts";
import { streamFiles } from "./stream_files.ts";
import { transformer } from "./transformer.ts";

export { gpt2 } from "./gpt2.ts";
export { inpaintBase, inpaintLora } from "./inpaint_lora.ts";
export { llmBase, llmLora } from "./llm_lora.ts";
export { mlp } from "./mlp.ts";
export { mobyGpt } from "./moby_gpt.ts";
export type { BaseWeights, Exports, Recipe } from "./recipe.ts";
export { streamFiles } from "./stream_files.ts";
export { transformer } from "./transformer.ts";

/** Every recipe; the first is the one that `train` takes when none is named. */
export const recipes: readonly Recipe[] = [
  mobyGpt,
  gpt2,
  mlp,
  streamFiles,
  transformer,
  llmLora,
  llmBase,
  inpaintLora,
  inpaintBase,
];
