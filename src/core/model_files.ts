import type { Json } from "./json.ts";
import type { TensorGroup } from "./snapshot.ts";

/** The files of a model directory: a document and a safetensors file, by their names. */
export interface ModelFiles {
  readonly config: { readonly name: string; readonly json: Json };
  readonly tensors: {
    readonly name: string;
    readonly tensors: TensorGroup;
    /** The file's own `__metadata__`, such as `{ format: "pt" }`. */
    readonly metadata: Readonly<Record<string, string>>;
  };
}
