import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { bytesOf } from "../../src/core/host_tensor.ts";
import { bits, foldIn, key, normal, type RngKey } from "../../src/core/rng_key.ts";
import { languageModelLoss, nextTokenLogits } from "../../src/model/language_model.ts";
import {
  initTransformer,
  transformerLogits,
  type TransformerParams,
  type TransformerSizes,
} from "../../src/model/transformer.ts";
import type { Device } from "../../src/ports/device.ts";
import { adamw } from "../../src/train/adamw.ts";
import type { HostBatch } from "../../src/train/loss.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { initialTrainState, tensorsOf } from "../../src/train/train_state.ts";
import { type Training, trainStep } from "../../src/train/train_step.ts";
import { leavesOf, mapNamed } from "../../src/train/tree.ts";
import { backendTest, leaksNothing, openTestDevice } from "../support/backends.ts";

const SMALL = { vocabulary: 7, context: 5, layers: 2, heads: 2, channels: 4, dropout: 0.5 };

backendTest(
  "cpu",
  "initTransformer() has GPT-2's names and shapes, in sorted order, and no other",
  () => {
    const params = scoped(() => initTransformer(SMALL, key(1)));
    assert.deepEqual(
      leavesOf(params).map(([path, { shape, dtype }]) => [path, shape, dtype]),
      gpt2(SMALL).map(([path, shape]) => [path, shape, "float32"]),
    );
    release(params);
  },
);

backendTest(
  "cpu",
  "initTransformer() of GPT-2's own sizes has its 124 million parameters, per layer",
  () => {
    const count = (layers: number) => {
      const params = scoped(() => initTransformer({ ...SMALL, channels: 48, layers }, key(1)));
      const total = leavesOf(params).reduce((sum, [, { size }]) => sum + size, 0);
      release(params);
      return total;
    };
    const perLayer = (channels: number) => 12 * channels ** 2 + 13 * channels;
    assert.equal(count(3) - count(2), perLayer(48));
    assert.equal(count(1), perLayer(48) + (7 + 5 + 2) * 48);
    assert.equal(12 * perLayer(768) + (50257 + 1024 + 2) * 768, 124_439_808); // what is published
  },
);

Deno.test("initTransformer() gives the same bits on cpu and wasm, and again; others for another key", async () => {
  const texts: string[] = [];
  for (const [backend, seed] of [["cpu", 1], ["wasm", 1], ["cpu", 1], ["cpu", 2]] as const) {
    const device = await openTestDevice(backend);
    await leaksNothing(async () => {
      const params = scoped(() => initTransformer(SMALL, key(seed)));
      texts.push(JSON.stringify(await bitsOf(device, leavesOf(params).map(([, leaf]) => leaf))));
      release(params);
    });
  }
  const [cpu, wasm, again, other] = texts;
  assert.equal(wasm, cpu);
  assert.equal(again, cpu);
  assert.notEqual(other, cpu);
});

backendTest(
  "cpu",
  "initTransformer() draws weights of GPT-2's deviations; norms are one, biases zero",
  async (device) => {
    const sizes = { ...SMALL, vocabulary: 64, context: 64, channels: 32, layers: 8 };
    const params = scoped(() => initTransformer(sizes, key(3)));
    const texts = new Set<string>();
    for (const [path, leaf] of leavesOf(params)) {
      const data = [...(await device.read(leaf)).data];
      if (path.endsWith("bias")) {
        assert.ok(data.every((value) => value === 0), path);
      } else if (path.includes("ln_")) {
        assert.ok(data.every((value) => value === 1), path);
      } else {
        const deviation = Math.sqrt(
          data.reduce((sum, value) => sum + value * value, 0) / data.length,
        );
        const expected = path.endsWith("c_proj.weight") ? 0.02 / Math.sqrt(16) : 0.02;
        // Four deviations of an estimate from this many numbers.
        assert.ok(Math.abs(deviation / expected - 1) < 4 / Math.sqrt(2 * data.length), path);
        texts.add(data.slice(0, 8).map((value) => value / expected).map(Math.fround).join());
      }
    }
    assert.equal(texts.size, 2 + 4 * 8, "each weight is drawn with a key of its own");
    release(params);
  },
);

for (const backend of BACKENDS) {
  const claim = "transformerLogits() has the values of its float64 form, with and without dropout";
  backendTest(backend, claim, async (device) => {
    const params = randomParams();
    const sequences = [[1, 6, 0, 3], [5, 5, 2, 4]]; // shorter than the context
    for (const dropKey of [undefined, key(3)]) {
      const logits = scoped(() =>
        transformerLogits(params, tf.tensor2d(sequences, [2, 4], "int32"), SMALL, dropKey)
      );
      const { shape, data } = await device.read(logits);
      const expected = await logitsInFloat64(device, params, sequences, dropKey);
      assert.deepEqual(shape, [8, 7]);
      const allowed = (backend === "webgpu" ? 1e-4 : 1e-5) * Math.max(...expected.map(Math.abs));
      data.forEach((value, i) => {
        assert.ok(Math.abs(value - expected[i]!) <= allowed, `[${i}] ${value}, not ${expected[i]}`);
      });
      logits.dispose();
    }
    release(params);
  });

  backendTest(backend, "transformerLogits() gives the same bits twice", async (device) => {
    const params = randomParams();
    const results = [1, 2].map(() =>
      scoped(() => {
        const tokens = tf.tensor2d([[1, 6, 0, 3, 2]], [1, 5], "int32");
        return transformerLogits(params, tokens, SMALL, key(3));
      })
    );
    const [first, second] = await bitsOf(device, results);
    assert.deepEqual(first, second);
    release([results, params]);
  });
}

backendTest(
  "wasm",
  "transformerLogits() of earlier tokens are the same bits whatever comes later",
  async (device) => {
    const params = randomParams();
    const rows = async (tokens: readonly number[]) => {
      const logits = scoped(() =>
        transformerLogits(params, tf.tensor2d([...tokens], [1, 5], "int32"), SMALL)
      );
      const { data } = await device.read(logits);
      logits.dispose();
      return tokens.map((_, row) => [...data.subarray(row * 7, row * 7 + 7)]);
    };
    const tokens = [1, 6, 0, 3, 2];
    const before = await rows(tokens);
    for (const position of [1, 2, 3, 4]) {
      const after = await rows(tokens.with(position, 5));
      assert.deepEqual(after.slice(0, position), before.slice(0, position));
      for (let row = position; row < 5; row++) assert.notDeepEqual(after[row], before[row]);
    }
    release(params);
  },
);

backendTest(
  "cpu",
  "transformerLogits() drops activations only with a key, and then as the key says",
  async (device) => {
    const params = randomParams();
    const logits = async (sizes: TransformerSizes, seed?: number) => {
      const result = scoped(() => {
        const tokens = tf.tensor2d([[1, 6, 0, 3, 2]], [1, 5], "int32");
        return transformerLogits(params, tokens, sizes, seed === undefined ? undefined : key(seed));
      });
      const { data } = await device.read(result);
      result.dispose();
      return [...data];
    };
    const without = await logits(SMALL);
    assert.deepEqual(await logits({ ...SMALL, dropout: 0 }), without);
    assert.deepEqual(await logits({ ...SMALL, dropout: 0 }, 1), without);
    const first = await logits(SMALL, 1);
    assert.notDeepEqual(first, without);
    assert.deepEqual(await logits(SMALL, 1), first);
    assert.notDeepEqual(await logits(SMALL, 2), first);
    release(params);
  },
);

backendTest(
  "cpu",
  "languageModelLoss() drops activations only with a key, and is the mean over tokens",
  async (device) => {
    const params = randomParams();
    const loss = async (dropout: number, seed?: number) => {
      const result = scoped(() => {
        const tokens = tf.tensor2d([[1, 6], [5, 2]], [2, 2], "int32");
        const targets = tf.tensor2d([[6, 0], [5, 3]], [2, 2], "int32");
        const keyed = seed === undefined ? undefined : key(seed);
        return languageModelLoss({ ...SMALL, dropout })(params, { tokens, targets }, keyed);
      });
      assert.deepEqual(result.shape, []);
      const [value] = (await device.read(result)).data;
      result.dispose();
      return value!;
    };
    const without = await loss(0.5);
    const expected = await logitsInFloat64(device, params, [[1, 6], [5, 2]]);
    const losses = [6, 0, 5, 3].map((target, row) => {
      const logits = expected.slice(row * 7, row * 7 + 7);
      return Math.log(sum(logits.map(Math.exp))) - logits[target]!;
    });
    assert.ok(Math.abs(without - sum(losses) / 4) < 1e-5);
    assert.equal(await loss(0, 1), without);
    assert.notEqual(await loss(0.5, 1), without);
    assert.equal(await loss(0.5, 1), await loss(0.5, 1));
    assert.notEqual(await loss(0.5, 1), await loss(0.5, 2));
    release(params);
  },
);

backendTest("cpu", "nextTokenLogits() are those of the last position", async (device) => {
  const params = randomParams();
  const [all, next] = scoped(() => {
    const tokens = tf.tensor2d([[1, 6, 0]], [1, 3], "int32");
    return [transformerLogits(params, tokens, SMALL), nextTokenLogits(params, [1, 6, 0], SMALL)];
  }) as [tf.Tensor, tf.Tensor];
  assert.deepEqual(next.shape, [7]);
  assert.deepEqual((await device.read(next)).data, (await device.read(all)).data.slice(14));
  release([all, next, params]);
});

backendTest(
  "wasm",
  "a transformer begins at the loss of guessing and learns a repeating text in 30 steps",
  async (device) => {
    const sizes = { vocabulary: 256, context: 16, layers: 2, heads: 2, channels: 32, dropout: 0 };
    const loss = languageModelLoss(sizes);
    const training: Training<TransformerParams> = {
      loss: (params, { tokens, targets }) => loss(params, { tokens: tokens!, targets: targets! }),
      optimizer: adamw(),
      schedule: () => 0.01,
      key: key(1),
    };
    let state = initialTrainState(() => initTransformer(sizes, key(42)), training.optimizer);
    const losses: number[] = [];
    for (let step = 0; step <= 30; step++) {
      const { state: next, metrics } = trainStep(training, state, [repeatingText(step)]);
      losses.push((await device.read(metrics.values)).data[0]!);
      release(tensorsOf(state), tensorsOf(next));
      metrics.values.dispose();
      state = next;
    }
    release(tensorsOf(state));
    assert.ok(Math.abs(losses[0]! - Math.log(256)) < 0.1, `loss at step 0: ${losses[0]}`);
    assert.ok(losses[30]! < 1, `loss after 30 steps: ${losses[30]}`);
  },
);

/** Names and shapes of GPT-2 with 2 layers, as its Hugging Face checkpoint has them. */
function gpt2(
  { vocabulary, context, channels }: TransformerSizes,
): readonly (readonly [path: string, shape: readonly number[]])[] {
  return [
    ["h.0.attn.c_attn.bias", [3 * channels]],
    ["h.0.attn.c_attn.weight", [channels, 3 * channels]],
    ["h.0.attn.c_proj.bias", [channels]],
    ["h.0.attn.c_proj.weight", [channels, channels]],
    ["h.0.ln_1.bias", [channels]],
    ["h.0.ln_1.weight", [channels]],
    ["h.0.ln_2.bias", [channels]],
    ["h.0.ln_2.weight", [channels]],
    ["h.0.mlp.c_fc.bias", [4 * channels]],
    ["h.0.mlp.c_fc.weight", [channels, 4 * channels]],
    ["h.0.mlp.c_proj.bias", [channels]],
    ["h.0.mlp.c_proj.weight", [4 * channels, channels]],
    ["h.1.attn.c_attn.bias", [3 * channels]],
    ["h.1.attn.c_attn.weight", [channels, 3 * channels]],
    ["h.1.attn.c_proj.bias", [channels]],
    ["h.1.attn.c_proj.weight", [channels, channels]],
    ["h.1.ln_1.bias", [channels]],
    ["h.1.ln_1.weight", [channels]],
    ["h.1.ln_2.bias", [channels]],
    ["h.1.ln_2.weight", [channels]],
    ["h.1.mlp.c_fc.bias", [4 * channels]],
    ["h.1.mlp.c_fc.weight", [channels, 4 * channels]],
    ["h.1.mlp.c_proj.bias", [channels]],
    ["h.1.mlp.c_proj.weight", [4 * channels, channels]],
    ["ln_f.bias", [channels]],
    ["ln_f.weight", [channels]],
    ["wpe.weight", [context, channels]],
    ["wte.weight", [vocabulary, channels]],
  ];
}

/** Four sequences of a text that repeats itself every eight bytes. */
function repeatingText(step: number): HostBatch {
  const text = new TextEncoder().encode("foldings".repeat(4));
  const starts = [0, 1, 2, 3].map((row) => (3 * row + step) % 8);
  const rows = (shift: number) => ({
    dtype: "int32" as const,
    shape: [4, 16],
    data: Int32Array.from(
      starts.flatMap((start) => [...text.subarray(start + shift, start + shift + 16)]),
    ),
  });
  return { tokens: rows(0), targets: rows(1) };
}

/** Parameters of which none is zero or one, so that leaving one out shows. */
function randomParams(): TransformerParams {
  return scoped(() =>
    mapNamed((path, { shape, size }) => {
      const values = normal(foldIn(key(9), path), size).map((value) => value / 2);
      return tf.tensor(values, shape);
    }, initTransformer(SMALL, key(1)))
  );
}

/**
 * GPT-2 (Radford et al., 2019), token by token in float64: pre-norm blocks, tied head.
 *
 * The names of the places where activations are dropped are part of the contract with old runs: a
 * resumed step has the masks that it had.
 */
async function logitsInFloat64(
  device: Device,
  params: TransformerParams,
  sequences: readonly (readonly number[])[],
  dropKey?: RngKey,
): Promise<readonly number[]> {
  const values = new Map<string, readonly number[]>();
  for (const [path, leaf] of leavesOf(params)) {
    values.set(path, [...(await device.read(leaf)).data]);
  }
  const { channels, heads, layers } = SMALL;
  const width = channels / heads;
  const get = (path: string) => values.get(path)!;
  const row = (path: string, index: number) =>
    get(path).slice(index * channels, (index + 1) * channels);
  const dense = (x: readonly number[], path: string) =>
    get(`${path}.bias`).map((bias, column, { length }) =>
      x.reduce((sum, value, i) => sum + value * get(`${path}.weight`)[i * length + column]!, bias)
    );
  const norm = (x: readonly number[], path: string) => {
    const mean = sum(x) / x.length;
    const deviation = Math.sqrt(sum(x.map((value) => (value - mean) ** 2)) / x.length + 1e-5);
    return x.map((value, i) =>
      (value - mean) / deviation * get(`${path}.weight`)[i]! + get(`${path}.bias`)[i]!
    );
  };
  const add = (x: readonly number[], y: readonly number[]) => x.map((value, i) => value + y[i]!);
  const gelu = (x: number) =>
    x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  const kept = (place: string, index: number) => {
    if (dropKey === undefined) return 1;
    const word = bits(foldIn(dropKey, place), index + 1)[index]!;
    return word / 2 ** 32 < SMALL.dropout ? 0 : 1 / (1 - SMALL.dropout);
  };
  const drop = (x: readonly number[], place: string, token: number) =>
    x.map((value, i) => value * kept(place, token * channels + i));
  return sequences.flatMap((tokens, sequence) => {
    const context = tokens.length;
    const rowOf = (at: number) => sequence * context + at;
    let xs = tokens.map((token, at) =>
      drop(add(row("wte.weight", token), row("wpe.weight", at)), "embedding", rowOf(at))
    );
    for (let layer = 0; layer < layers; layer++) {
      const qkv = xs.map((x) => dense(norm(x, `h.${layer}.ln_1`), `h.${layer}.attn.c_attn`));
      const mixed = qkv.map((token, at) =>
        Array.from({ length: channels }, (_, channel) => {
          const head = Math.floor(channel / width);
          const first = head * width;
          const part = (x: readonly number[], which: number) =>
            x.slice(which * channels + first, which * channels + first + width);
          const exps = qkv.slice(0, at + 1).map((other) => {
            const key = part(other, 1);
            const score = sum(part(token, 0).map((query, i) => query * key[i]!));
            return Math.exp(score / Math.sqrt(width));
          });
          const weightRow = (sequence * heads + head) * context + at;
          return sum(exps.map((e, i) => {
            const weight = e / sum(exps) * kept(`h.${layer}.weights`, weightRow * context + i);
            return weight * qkv[i]![2 * channels + channel]!;
          }));
        })
      );
      xs = xs.map((x, at) => {
        const attended = dense(mixed[at]!, `h.${layer}.attn.c_proj`);
        return add(x, drop(attended, `h.${layer}.attn`, rowOf(at)));
      });
      xs = xs.map((x, at) => {
        const hidden = dense(norm(x, `h.${layer}.ln_2`), `h.${layer}.mlp.c_fc`).map(gelu);
        return add(x, drop(dense(hidden, `h.${layer}.mlp.c_proj`), `h.${layer}.mlp`, rowOf(at)));
      });
    }
    return xs.flatMap((x) => {
      const last = norm(x, "ln_f");
      return Array.from(
        { length: SMALL.vocabulary },
        (_, token) => sum(row("wte.weight", token).map((value, i) => value * last[i]!)),
      );
    });
  });
}

async function bitsOf(device: Device, tensors: readonly tf.Tensor[]): Promise<readonly unknown[]> {
  return await Promise.all(
    tensors.map(async (tensor) => [...bytesOf(await device.read(tensor))]),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
