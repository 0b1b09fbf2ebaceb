import assert from "node:assert/strict";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import { encodeSafetensors } from "foldlog/codec";
import { peftFiles } from "../../src/codec/peft_layout.ts";
import { mergedWeights } from "../../src/model/merged_weights.ts";
import { serveRanges } from "../support/serve_ranges.ts";
import type { HostTensor, TensorGroup } from "foldlog";

const RANK = 2;
const OPTIONS = { base: "gpt", rank: RANK, alpha: 6, fanInFanOut: true };

/** Numbers that are all different. */
function floats(shape: readonly number[], from = 0): HostTensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const data = Float32Array.from({ length: size }, (_, index) => from + index / 8);
  return { dtype: "float32", shape, data };
}

/** A matrix [3, 4] and a kernel [2, 1, 3, 4], each with an adapter, and a bias without one. */
const weights: TensorGroup = new Map([
  ["base.attn.weight", floats([3, 4])],
  ["base.attn.bias", floats([4])],
  ["base.up.0.kernel", floats([2, 1, 3, 4], 100)],
  ["lora.attn.weight.a", floats([3, RANK], 1)],
  ["lora.attn.weight.b", floats([RANK, 4], 2)],
  ["lora.up.0.kernel.a", floats([6, RANK], 3)],
  ["lora.up.0.kernel.b", floats([RANK, 4], 4)],
]);

Deno.test("peftFiles() names layers and tensors as PEFT does, adapters' own names left out", () => {
  const { config, tensors } = peftFiles(weights, { ...OPTIONS, prefix: "transformer." });
  assert.equal(config.name, "adapter_config.json");
  assert.equal(tensors.name, "adapter_model.safetensors");
  const { peft_type, r, lora_alpha, target_modules, fan_in_fan_out, base_model_name_or_path } =
    config.json as Record<string, unknown>;
  assert.deepEqual({ peft_type, r, lora_alpha, fan_in_fan_out, base_model_name_or_path }, {
    peft_type: "LORA",
    r: RANK,
    lora_alpha: 6,
    fan_in_fan_out: true,
    base_model_name_or_path: "gpt",
  });
  assert.deepEqual(target_modules, ["attn", "up.0"]);
  const { use_rslora, task_type, modules_to_save } = config.json as Record<string, unknown>;
  assert.deepEqual([use_rslora, task_type, modules_to_save], [false, null, null]);
  const other = peftFiles(weights, { ...OPTIONS, rslora: true, task: "CAUSAL_LM" }).config.json;
  const members = other as Record<string, unknown>;
  assert.deepEqual([members["use_rslora"], members["task_type"]], [true, "CAUSAL_LM"]);
  const shapes = [...tensors.tensors].map(([name, { shape }]) => [name, shape]);
  assert.deepEqual(shapes, [
    ["base_model.model.transformer.attn.lora_A.weight", [RANK, 3]],
    ["base_model.model.transformer.attn.lora_B.weight", [4, RANK]],
    ["base_model.model.transformer.up.0.lora_A.weight", [RANK, 3, 2, 1]],
    ["base_model.model.transformer.up.0.lora_B.weight", [4, RANK, 1, 1]],
  ]);
});

Deno.test("what PEFT makes of the files, W + (alpha / r) B A, is what mergedWeights() makes", () => {
  const { tensors } = peftFiles(weights, OPTIONS).tensors;
  const merged = mergedWeights(weights, { rank: RANK, alpha: 6, halves: false });
  for (const [path, window] of [["attn.weight", 1], ["up.0.kernel", 2]] as const) {
    const module = `base_model.model.${path.replace(/\.\w+$/, "")}`;
    const [a, b] = ["A", "B"].map((side) => tensors.get(`${module}.lora_${side}.weight`)!.data);
    const before = weights.get(`base.${path}`)!.data;
    const expected = before.map((value, place) => {
      const output = place % 4;
      const input = Math.floor(place / 4) % 3;
      const position = Math.floor(place / 12);
      let product = 0;
      for (let inner = 0; inner < RANK; inner++) {
        product += b![output * RANK + inner]! * a![(inner * 3 + input) * window + position]!;
      }
      return Math.fround(value + 3 * product);
    });
    assert.deepEqual(merged.get(path)!.data, expected, path);
    assert.deepEqual(merged.get(path)!.shape, weights.get(`base.${path}`)!.shape);
  }
  assert.equal(merged.get("attn.bias"), weights.get("base.attn.bias"));
  assert.deepEqual([...merged.keys()], ["attn.weight", "attn.bias", "up.0.kernel"]);
});

Deno.test("mergedWeights() of a training in mixed precision rounds the factors as it did", () => {
  const a = floats([1, 1], 1 / 3);
  const b = floats([1, 1], 1 / 7);
  const one = new Map([["base.w", floats([1, 1])], ["lora.w.a", a], ["lora.w.b", b]]);
  const merged = (halves: boolean) =>
    mergedWeights(one, { rank: 1, alpha: 1, halves }).get("w")!.data[0];
  assert.equal(merged(true), Math.fround(Math.f16round(a.data[0]!) * Math.f16round(b.data[0]!)));
  assert.equal(merged(false), Math.fround(a.data[0]! * b.data[0]!));
});

Deno.test("an independent reader of safetensors takes the adapters' file", async () => {
  const { tensors: { tensors, metadata } } = peftFiles(weights, OPTIONS);
  const bytes = encodeSafetensors(tensors, metadata);
  const parsed = await parseSafetensorsMetadata({
    repo: "local/model",
    path: "adapter_model.safetensors",
    fetch: serveRanges(bytes),
  });
  assert.ok(!parsed.sharded);
  const { __metadata__, ...header } = parsed.header;
  assert.deepEqual(__metadata__, { format: "pt" });
  assert.deepEqual(Object.keys(header).sort(), [...tensors.keys()].sort());
});
