import { encodeGpt2Config } from "../codec/gpt2_config.ts";
import { withHuggingFaceNames } from "../codec/hugging_face_names.ts";
import type { ModelFiles } from "../core/model_files.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import type { TransformerSizes } from "../model/transformer.ts";

/** The directory of a `GPT2LMHeadModel` of transformers, of any GPT of these weights and sizes. */
export function huggingFaceFiles(weights: TensorGroup, sizes: TransformerSizes): ModelFiles {
  return {
    config: { name: "config.json", json: encodeGpt2Config(sizes) },
    tensors: {
      name: "model.safetensors",
      tensors: withHuggingFaceNames(weights),
      metadata: { format: "pt" },
    },
  };
}
