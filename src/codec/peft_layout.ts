import { type HostTensor, sizeOf } from "../core/host_tensor.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import type { ModelFiles } from "../core/model_files.ts";
import { outputsFirst } from "./outputs_first.ts";

/** What PEFT is told of adapters besides their tensors. */
export interface PeftOptions {
  /** Name or directory of the model that they are of. */
  readonly base: string;
  readonly rank: number;
  readonly alpha: number;
  readonly rslora?: boolean;
  /** Such as "CAUSAL_LM"; PEFT needs none. */
  readonly task?: string;
  /** What stands before a path of ours in the other model's: "transformer." of GPT-2. */
  readonly prefix?: string;
  /** Whether the base keeps its weights as [in, out], as GPT-2's Conv1D does. */
  readonly fanInFanOut: boolean;
}

/**
 * LoRA adapters as a directory of PEFT: `adapter_config.json`, `adapter_model.safetensors`
 * (https://huggingface.co/docs/peft, "Checkpoint format").
 *
 * `weights` has the base's weights at `base.<path>` and their adapters at `lora.<path>.a` [in, rank] and
 * `lora.<path>.b` [rank, out]. PEFT's are A [rank, in] and B [out, rank]; of a kernel [h, w, in, out] they are
 * convolutions, A [rank, in, h, w] and B [out, rank, 1, 1].
 */
export function peftFiles(weights: TensorGroup, options: PeftOptions): ModelFiles {
  const { base, rank, alpha, rslora = false, task = null, prefix = "", fanInFanOut } = options;
  const paths = adaptedPaths(weights);
  const tensors = paths.flatMap((path): [string, HostTensor][] => {
    const module = `base_model.model.${prefix}${moduleOf(path)}`;
    const kernel = weights.get(`base.${path}`)!.shape;
    return [
      [`${module}.lora_A.weight`, asA(weights.get(`lora.${path}.a`)!, kernel)],
      [`${module}.lora_B.weight`, asB(weights.get(`lora.${path}.b`)!, kernel)],
    ];
  });
  const json = {
    peft_type: "LORA",
    task_type: task,
    base_model_name_or_path: base,
    target_modules: paths.map(moduleOf),
    r: rank,
    lora_alpha: alpha,
    use_rslora: rslora,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: fanInFanOut,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
  };
  return {
    config: { name: "adapter_config.json", json },
    tensors: {
      name: "adapter_model.safetensors",
      tensors: new Map(tensors),
      metadata: { format: "pt" },
    },
  };
}

/** The paths of the base's weights that have adapters, sorted. */
function adaptedPaths(weights: TensorGroup): readonly string[] {
  const found = [...weights.keys()].flatMap((name) => /^lora\.(.+)\.a$/.exec(name)?.[1] ?? []);
  return found.sort();
}

/** The layer that a weight is of: PEFT names layers. */
function moduleOf(path: string): string {
  return path.replace(/\.(?:weight|kernel)$/, "");
}

/** a [h w in, rank], h and w being 1 of a matrix, as [rank, in] or [rank, in, h, w]. */
function asA({ shape, data }: HostTensor, kernel: readonly number[]): HostTensor {
  const rank = shape[1]!;
  const inputs = kernel.at(-2)!;
  const window = kernel.slice(0, -2);
  const turned = outputsFirst(data, { positions: sizeOf(window), inputs, outputs: rank });
  return { dtype: "float32", shape: [rank, inputs, ...window], data: turned };
}

/** b [rank, out] as [out, rank] or [out, rank, 1, 1]. */
function asB({ shape, data }: HostTensor, kernel: readonly number[]): HostTensor {
  const [rank, outputs] = shape as [number, number];
  const ones = kernel.slice(0, -2).map(() => 1);
  const turned = outputsFirst(data, { inputs: rank, outputs });
  return { dtype: "float32", shape: [outputs, rank, ...ones], data: turned };
}
