import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as E from "fp-ts/Either.js";
import { describeError, type HostTensor, readWeights } from "foldlog";
import { encodeSafetensors } from "foldlog/codec";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";

const LLMC = fileURLToPath(new URL("../golden/torch/weights/llmc.bin", import.meta.url));
const HALF = fileURLToPath(new URL("../golden/torch/weights/masks.safetensors", import.meta.url));

/** What is said of a file of these bytes; undefined where it is read. */
async function saidOf(name: string, bytes: Uint8Array): Promise<string | undefined> {
  return await inTemporaryDirectory(async (directory) => {
    await Deno.writeFile(`${directory}/${name}`, bytes);
    return await said(`${directory}/${name}`);
  });
}

async function said(path: string): Promise<string | undefined> {
  const result = await readWeights(path)();
  if (E.isRight(result)) return undefined;
  assert.equal(result.left.place.startsWith(path), true);
  return describeError(result.left).replaceAll(path, "FILE");
}

/** The bytes with an integer of llm.c's header replaced. */
function withInteger(bytes: Uint8Array, index: number, value: number): Uint8Array {
  const changed = bytes.slice();
  new DataView(changed.buffer).setInt32(4 * index, value, true);
  return changed;
}

const CANNOT = "Cannot read the weights at FILE: ";

Deno.test("readWeights() says what it expected of a model of llm.c and what it found", async () => {
  const bytes = await Deno.readFile(LLMC);
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["the header is cut off: expected 1024 bytes, found 1023", bytes.subarray(0, 1023)],
    [
      "not a model of llm.c: bad magic number: expected 20240326, found 20240520",
      withInteger(bytes, 0, 20240520),
    ],
    ["bad version: expected 3 (float32) or 5 (bfloat16), found 2", withInteger(bytes, 1, 2)],
    ["bad layers: expected at least 1, found 0", withInteger(bytes, 4, 0)],
    ["bad context: expected at least 1, found -6", withInteger(bytes, 2, -6)],
    [
      "bad padded vocabulary: expected at least the vocabulary, 11, found 10",
      withInteger(bytes, 7, 10),
    ],
    ["bad number of channels: expected a multiple of 3 heads, found 8", withInteger(bytes, 5, 3)],
    [
      "bad size for the model of its header: expected 12352 bytes, found 12351",
      bytes.subarray(0, -1),
    ],
    [
      "bad size for the model of its header: expected 12352 bytes, found 12353",
      Uint8Array.of(...bytes, 0),
    ],
    [
      "bad size for the model of its header: expected 6688 bytes, found 12352",
      withInteger(bytes, 1, 5),
    ],
  ];
  for (const [expected, found] of cases) {
    assert.equal(await saidOf("model.bin", found), `${CANNOT}${expected}.`);
  }
  assert.equal(await saidOf("model.bin", bytes), undefined);
});

Deno.test("readWeights() refuses types of weights that it would have to round or guess", async () => {
  const bytes = await Deno.readFile(HALF);
  const asText = new TextDecoder("latin1").decode(bytes);
  const wide = asText.replace(
    '"transformer.wte.weight":{"dtype":"F16"',
    '"transformer.wte.weight":{"dtype":"U16"',
  );
  const unknown = Uint8Array.from(wide, (letter) => letter.charCodeAt(0));
  assert.equal(
    await saidOf("model.safetensors", unknown),
    `${CANNOT}Cannot read safetensors: tensor "transformer.wte.weight": dtype is not supported: ` +
      'expected F32 or I32 or F16 or BF16 or BOOL or U8, found "U16"; ' +
      "convert the tensor before reading it.",
  );
  const mask = asText.replaceAll("h.0.attn.bias", "h.0.attn.maks");
  assert.match(
    (await saidOf("model.safetensors", Uint8Array.from(mask, (letter) => letter.charCodeAt(0))))!,
    /tensor "transformer.h.0.attn.maks".* expected F32 or F16 or BF16 or I32, found "BOOL"/,
  );
});

Deno.test("readWeights() refuses a head of its own, and a tensor with two names", async () => {
  const head = safetensors({
    "wte.weight": table(1, 2),
    "wpe.weight": table(1, 2),
    "lm_head.weight": table(1, 3),
  });
  assert.equal(
    await saidOf("model.safetensors", head),
    `${CANNOT}expected "lm_head.weight" to be equal to "wte.weight", as foldlog's transformer has ` +
      "one table for both, found other numbers.",
  );
  const twice = safetensors({ "wte.weight": table(1), "transformer.wte.weight": table(1) });
  assert.equal(
    await saidOf("model.safetensors", twice),
    `${CANNOT}expected one tensor "wte.weight", found it with and without "transformer.".`,
  );
});

Deno.test("a head that is kept in place of the embedding is the embedding", async () => {
  const file = safetensors({
    "lm_head.weight": table(1, 2),
    "transformer.wpe.weight": table(3, 4),
  });
  await inTemporaryDirectory(async (directory) => {
    await Deno.writeFile(`${directory}/model.safetensors`, file);
    const read = await readWeights(directory)();
    assert.ok(E.isRight(read));
    const found = [...read.right.tensors].map(([name, { data }]) => [name, ...data]);
    assert.deepEqual(found, [["wte.weight", 1, 2], ["wpe.weight", 3, 4]]);
  });
});

Deno.test("readWeights() leaves the names of other models as they are", async () => {
  const file = safetensors({
    "lora.h.0.A": table(1),
    "head.weight": table(2),
    "lm_head.weight": table(3),
  });
  await inTemporaryDirectory(async (directory) => {
    await Deno.writeFile(`${directory}/mine.safetensors`, file);
    const read = await readWeights(`${directory}/mine.safetensors`)();
    assert.ok(E.isRight(read));
    assert.deepEqual([...read.right.tensors.keys()].sort(), [
      "head.weight",
      "lm_head.weight",
      "lora.h.0.A",
    ]);
  });
});

Deno.test("readWeights() refuses a config.json of a model that computes something else", async () => {
  const whole = { model_type: "gpt2", n_head: 2, activation_function: "gelu_new" };
  const cases: readonly (readonly [unknown, string | undefined])[] = [
    [whole, undefined],
    [{ ...whole, n_head: 2.5 }, 'expected whole number of at least 1 at "n_head", found 2.5'],
    [{}, 'expected whole number of at least 1 at "n_head", found nothing'],
    [[], "expected the settings of a GPT-2, found []"],
    [
      { ...whole, activation_function: "relu" },
      'expected "activation_function" to be "gelu_new" or "gelu_pytorch_tanh", as foldlog\'s ' +
      'transformer has it, found "relu"',
    ],
    [
      { ...whole, model_type: "llama" },
      'expected "model_type" to be "gpt2", as foldlog\'s transformer has it, found "llama"',
    ],
    [
      { ...whole, layer_norm_epsilon: 1e-6 },
      'expected "layer_norm_epsilon" to be 0.00001, as foldlog\'s transformer has it, found 0.000001',
    ],
  ];
  for (const [json, expected] of cases) {
    await inTemporaryDirectory(async (directory) => {
      await Deno.writeFile(
        `${directory}/model.safetensors`,
        safetensors({ "wte.weight": table(1) }),
      );
      await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify(json));
      const found = await said(directory);
      const wanted = expected && `Cannot read the weights at FILE/config.json: ${expected}.`;
      assert.equal(found, wanted);
    });
  }
});

Deno.test("readWeights() says which file is missing", async () => {
  await inTemporaryDirectory(async (directory) => {
    assert.equal(
      await said(directory),
      "Cannot read the weights at FILE/model.safetensors: expected a file, found none.",
    );
    await Deno.writeTextFile(`${directory}/config.json`, "{");
    assert.match((await said(directory))!, /FILE\/config\.json: expected JSON in UTF-8, found/);
    const other = await readWeights(`${directory}/none.safetensors`)();
    assert.ok(E.isLeft(other));
    assert.match(other.left.reason, /No such file/);
  });
});

function table(...numbers: number[]): HostTensor {
  return { dtype: "float32", shape: [1, numbers.length], data: Float32Array.from(numbers) };
}

function safetensors(tensors: Readonly<Record<string, HostTensor>>): Uint8Array {
  return encodeSafetensors(tensors);
}

Deno.test("readWeights() refuses numbers that are not finite, and says where", async () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const file = safetensors({ "wte.weight": table(1, 2), "wpe.weight": table(1, bad) });
    assert.equal(
      await saidOf("model.safetensors", file),
      `${CANNOT}expected finite numbers, found ${bad} in "wpe.weight", element 1.`,
    );
  }
});

Deno.test("readWeights() takes the heads that a file says, where it is a number of them", async () => {
  for (const [text, heads] of [["4", 4], ["0", undefined], ["many", undefined]] as const) {
    await inTemporaryDirectory(async (directory) => {
      const path = `${directory}/model.safetensors`;
      const tensors = { "wte.weight": table(1, 2) };
      await Deno.writeFile(path, encodeSafetensors(tensors, { heads: text }));
      const read = await readWeights(path)();
      assert.ok(E.isRight(read));
      assert.equal(read.right.heads, heads, text);
    });
  }
});
