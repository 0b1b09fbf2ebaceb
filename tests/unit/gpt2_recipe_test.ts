import assert from "node:assert/strict";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import {
  bytesOf,
  type HostTensor,
  mergeConfig,
  orThrow,
  type PartialConfig,
  readWeights,
  type RunConfig,
  sizeOf,
  type TensorGroup,
  type WeightsFile,
} from "foldlog";
import { encodeSafetensors } from "foldlog/codec";
import { gpt2 } from "../../src/recipes/gpt2.ts";
import { gpt2SettingsOf, gpt2SizesOf } from "../../src/recipes/gpt2_sizes.ts";
import { serveRanges } from "../support/serve_ranges.ts";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";
import { tinyRecipes } from "../support/tiny_recipes.ts";

function withModel(model: PartialConfig["model"]): RunConfig {
  return mergeConfig(gpt2.config, { model: model! });
}

Deno.test("gpt2's sizes have the parameters that GPT-2's have", () => {
  const parameters = (size: string) => {
    const sizes = gpt2SizesOf(withModel({ size, context: 1024 }));
    const { layers, channels: C, vocabulary, context } = sizes;
    assert.equal(C % sizes.heads, 0);
    return (vocabulary + context) * C + layers * (12 * C * C + 13 * C) + 2 * C;
  };
  // As transformers counts them in gpt2, gpt2-medium, gpt2-large and gpt2-xl.
  const counts = { d12: 124_439_808, d24: 354_823_168, d36: 774_030_080, d48: 1_557_611_200 };
  for (const [size, count] of Object.entries(counts)) assert.equal(parameters(size), count);
});

Deno.test("gpt2 says which sizes there are, and what else makes no model", () => {
  const refused = (model: PartialConfig["model"], message: RegExp) =>
    assert.throws(
      () => gpt2SizesOf(withModel(model)),
      (error) => error instanceof RangeError && message.test(error.message),
    );
  refused({ size: "d13" }, /one of d2, d3, .*, d12, d24, d36, d48, found "d13"$/);
  refused({ size: "d1" }, /found "d1"$/);
  refused({ context: 0 }, /^Expected model.context to be a whole number above 0, found 0$/);
  refused({ vocabulary: 1.5 }, /^Expected model.vocabulary to be .* found 1.5$/);
  refused({ dropout: 1 }, /^Expected model.dropout from 0 up to, not including, 1, found 1$/);
});

Deno.test("gpt2 takes shards by their patterns, and says what is missing", async () => {
  const tiny = mergeConfig(gpt2.config, tinyRecipes["gpt2"]!);
  const task = await gpt2.task(tiny);
  assert.deepEqual(task.data.identity.files, [
    { name: "tiny_train_000000.bin", samples: 37 },
    { name: "tiny_train_000001.bin", samples: 18 },
  ]);
  assert.equal(task.evaluation!.data.identity.samples, 12);
  assert.equal(task.sample, undefined); // 64 tokens are not GPT-2's
  const refused = async (changes: PartialConfig, message: RegExp) =>
    await assert.rejects(
      async () => await gpt2.task(mergeConfig(tiny, changes)),
      (error) => error instanceof RangeError && message.test(error.message),
    );
  await refused(
    { data: { train: "none/*.bin" } },
    /^Expected files that match none\/\*\.bin, found/,
  );
  await refused(
    { data: { train: "" } },
    /^Expected data.train to name shards where data.validation/,
  );
  await refused(
    { data: { train: "", validation: "" } },
    /^Expected model.vocabulary of at least 50257/,
  );
  await refused({ model: { vocabulary: 60 } }, /^Expected tokens below 60, the vocabulary, in /);
});

Deno.test("gpt2 without shards has the tokens of Moby-Dick, the end of them held out", async () => {
  const task = await gpt2.task(gpt2.config);
  const { samples } = task.data.identity;
  assert.equal(samples, Math.floor((Math.floor(294_855 * 0.95) - 1) / 64));
  const { tokens, targets } = await task.data.at([0, samples - 1]);
  assert.deepEqual([...tokens!.data.subarray(0, 3)], [198, 198, 37815]); // "\n\nCONT"
  assert.deepEqual([...targets!.data.subarray(0, 63)], [...tokens!.data.subarray(1, 64)]);
  assert.ok(Math.abs(task.reference!.loss - 6.8921) < 1e-4);
});

Deno.test("what gpt2 exports for transformers is read back equal, and by Hugging Face's own parser", async () => {
  const config = withModel({ size: "d2", vocabulary: 10, context: 6 });
  const weights = weightsOf(10, 6, 2, 128);
  const { config: document, tensors } = gpt2.exports!.hf!(weights, config);
  const file = encodeSafetensors(tensors.tensors, tensors.metadata);
  const parsed = await parseSafetensorsMetadata({
    repo: "foldlog/gpt2",
    path: tensors.name,
    fetch: serveRanges(file),
  });
  assert.ok(!parsed.sharded);
  assert.deepEqual(parsed.header.__metadata__, { format: "pt" });
  const { "transformer.h.1.mlp.c_fc.weight": dense, "transformer.wte.weight": table } =
    parsed.header;
  assert.deepEqual([dense?.dtype, dense?.shape], ["F32", [128, 512]]);
  assert.deepEqual(table?.shape, [10, 128]);
  assert.equal("lm_head.weight" in parsed.header, false);
  const read = await readDirectory({
    [tensors.name]: file,
    [document.name]: JSON.stringify(document.json),
  });
  assert.equal(read.heads, 2);
  assert.deepEqual([...read.tensors.keys()].sort(), [...weights.keys()].sort());
  for (const [name, tensor] of weights) {
    assert.deepEqual(read.tensors.get(name)!.shape, tensor.shape, name);
    assert.deepEqual(bytesOf(read.tensors.get(name)!), bytesOf(tensor), name);
  }
  assert.deepEqual(gpt2SettingsOf(read.tensors, read.heads), {
    size: "d2",
    vocabulary: 10,
    context: 6,
  });
});

Deno.test("the config.json of an export says what transformers needs to build the model", () => {
  const { config } = gpt2.exports!.hf!(
    new Map(),
    withModel({ size: "d12", context: 1024, dropout: 0.1 }),
  );
  const { json } = config as { json: Record<string, unknown> };
  const expected = {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    activation_function: "gelu_new",
    n_layer: 12,
    n_head: 12,
    n_embd: 768,
    n_positions: 1024,
    vocab_size: 50257,
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    attn_pdrop: 0.1,
    embd_pdrop: 0.1,
    resid_pdrop: 0.1,
    eos_token_id: 50256,
  };
  const found = Object.fromEntries(Object.keys(expected).map((name) => [name, json[name]]));
  assert.deepEqual(found, expected);
});

Deno.test("gpt2 knows the size of weights, and says which it has no name for", () => {
  const settings = (...sizes: [number, number, number, number]) =>
    gpt2SettingsOf(weightsOf(...sizes));
  assert.deepEqual(settings(9, 4, 3, 192), { size: "d3", vocabulary: 9, context: 4 });
  assert.throws(
    () => settings(9, 4, 3, 64),
    /of one of the sizes d2, .* found 3 layers of 64 channels$/,
  );
  assert.throws(() => gpt2SettingsOf(weightsOf(9, 4, 3, 192), 6), /192 channels and 6 heads$/);
  assert.throws(() => gpt2SettingsOf(new Map()), /with a table "wte.weight", found none$/);
});

/** Weights of a GPT-2, each element another number. */
function weightsOf(vocabulary: number, context: number, layers: number, C: number): TensorGroup {
  const block = (layer: number): [string, number[]][] => [
    [`h.${layer}.ln_1.weight`, [C]],
    [`h.${layer}.attn.c_attn.weight`, [C, 3 * C]],
    [`h.${layer}.attn.c_attn.bias`, [3 * C]],
    [`h.${layer}.mlp.c_fc.weight`, [C, 4 * C]],
  ];
  const shapes: [string, number[]][] = [
    ["wte.weight", [vocabulary, C]],
    ["wpe.weight", [context, C]],
    ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
  ];
  let next = 0;
  return new Map(shapes.map(([name, shape]): [string, HostTensor] => {
    const data = Float32Array.from({ length: sizeOf(shape) }, () => Math.fround(next++ / 7));
    return [name, { dtype: "float32", shape, data }];
  }));
}

async function readDirectory(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<WeightsFile> {
  return await inTemporaryDirectory(async (directory) => {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${directory}/${name}`, bytes);
    }
    return await orThrow(readWeights(directory));
  });
}
