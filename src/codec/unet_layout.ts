import type { HostTensor } from "../core/host_tensor.ts";
import type { ModelFiles } from "../core/model_files.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import { outputsFirst } from "./outputs_first.ts";

/** What a reader has to know of a U-Net besides its tensors. */
export interface UnetShape {
  readonly inputs: number;
  readonly outputs: number;
  /** Channels of each level, from the images' own size on. */
  readonly channels: readonly number[];
}

/**
 * A U-Net as a model directory: `config.json` and `model.safetensors`, its convolutions as PyTorch has them: a
 * kernel [height, width, in, out] at `<path>.kernel` is `<path>.weight` [out, in, height, width]. Other tensors
 * are the very ones.
 */
export function unetFiles(
  weights: TensorGroup,
  { inputs, outputs, channels }: UnetShape,
): ModelFiles {
  const json = {
    model_type: "foldlog-unet",
    in_channels: inputs,
    out_channels: outputs,
    block_out_channels: channels,
    torch_dtype: "float32",
  };
  const tensors = [...weights].map(([name, tensor]): [string, HostTensor] =>
    name.endsWith(".kernel") ? [name.replace(/kernel$/, "weight"), turned(tensor)] : [name, tensor]
  );
  return {
    config: { name: "config.json", json },
    tensors: {
      name: "model.safetensors",
      tensors: new Map(tensors),
      metadata: { format: "pt" },
    },
  };
}

/** [height, width, in, out] as [out, in, height, width]. */
function turned({ shape, data }: HostTensor): HostTensor {
  const [height, width, inputs, outputs] = shape as [number, number, number, number];
  const turned = outputsFirst(data, { positions: height * width, inputs, outputs });
  return { dtype: "float32", shape: [outputs, inputs, height, width], data: turned };
}
