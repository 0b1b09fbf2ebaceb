import assert from "node:assert/strict";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import type { HostTensor } from "foldlog";
import { encodeSafetensors } from "foldlog/codec";
import { unetFiles } from "../../src/codec/unet_layout.ts";
import { serveRanges } from "../support/serve_ranges.ts";

const SIZES = [2, 3, 4, 5] as const;
const kernel: HostTensor = {
  dtype: "float32",
  shape: SIZES,
  data: Float32Array.from({ length: 120 }, (_, index) => index),
};
const bias: HostTensor = { dtype: "float32", shape: [5], data: new Float32Array(5).fill(7) };
const weights = new Map([["down.0.kernel", kernel], ["down.0.bias", bias]]);
const shape = { inputs: 2, outputs: 1, channels: [4, 8] };

Deno.test("unetFiles() has each kernel as PyTorch has it, and other tensors as they are", () => {
  const { tensors } = unetFiles(weights, shape).tensors;
  assert.deepEqual([...tensors.keys()], ["down.0.weight", "down.0.bias"]);
  assert.equal(tensors.get("down.0.bias"), bias);
  const turned = tensors.get("down.0.weight")!;
  assert.deepEqual(turned.shape, [5, 4, 2, 3]);
  const [height, width, inputs, outputs] = SIZES;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const found = turned.data[((output * inputs + input) * height + y) * width + x];
          assert.equal(found, ((y * width + x) * inputs + input) * outputs + output);
        }
      }
    }
  }
});

Deno.test("a reader that foldlog did not write reads the files of unetFiles()", async () => {
  const { config, tensors: { name, tensors, metadata } } = unetFiles(weights, shape);
  assert.deepEqual([config.name, name], ["config.json", "model.safetensors"]);
  assert.deepEqual((config.json as { block_out_channels: unknown }).block_out_channels, [4, 8]);
  const read = await parseSafetensorsMetadata({
    repo: "foldlog/test",
    fetch: serveRanges(encodeSafetensors(tensors, metadata)),
    path: name,
  });
  assert.ok(!read.sharded);
  const { dtype, shape: found } = read.header["down.0.weight"]!;
  assert.deepEqual([dtype, found], ["F32", [5, 4, 2, 3]]);
});
