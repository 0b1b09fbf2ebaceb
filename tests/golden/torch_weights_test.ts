import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as E from "fp-ts/Either.js";
import { type Device, type HostTensor, orThrow, readWeights, type WeightsFile } from "foldlog";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { decodeSafetensors } from "../../src/codec/safetensors.ts";
import { key } from "../../src/core/rng_key.ts";
import { initTransformer, transformerLogits } from "../../src/model/transformer.ts";
import { toDevice } from "../../src/train/device_tensor.ts";
import { release, scoped } from "../../src/train/ownership.ts";
import { restoreTree } from "../../src/train/restore.ts";
import { backendTest } from "../support/backends.ts";

// A GPT-2 of PyTorch's, in the files that others write it to, and the logits that PyTorch computes in
// float64 with the weights of each precision: `weights_files` in tools/make_torch_fixtures.py, whose SIZES
// these are. Files and numbers are from another program than the one that is tested.
const SIZES = { vocabulary: 11, context: 6, layers: 2, heads: 2, channels: 8, dropout: 0 };
const TOLERANCE = 1e-5;

/** The files, and the precision of their weights. */
const FILES = [
  ["hf", "F32"],
  ["hf/model.safetensors", "F32"],
  ["masks.safetensors", "F16"],
  ["bare.safetensors", "BF16"],
  ["llmc.bin", "F32"],
  ["llmc_bf16.bin", "BF16"],
] as const;

for (const backend of BACKENDS) {
  for (const [file, precision] of FILES) {
    backendTest(
      backend,
      `the logits of PyTorch's GPT-2 in ${file} are PyTorch's`,
      async (device) => {
        const { tokens, logits } = await fixture(precision);
        const found = await logitsOf(device, await weightsIn(file), tokens);
        assert.deepEqual(found.shape, [18, 11]);
        found.data.forEach((value, index) => {
          const off = Math.abs(value - logits.data[index]!);
          assert.ok(off <= TOLERANCE, `[${index}]: ${value}, not ${logits.data[index]}`);
        });
      },
    );
  }
}

Deno.test("the logits in each precision are others: no file can be taken for one of the others", async () => {
  const [wide, half, short] = await Promise.all([fixture("F32"), fixture("F16"), fixture("BF16")]);
  for (const [a, b] of [[wide, half], [wide, short], [half, short]] as const) {
    assert.ok(
      a.logits.data.some((value, i) => Math.abs(value - b.logits.data[i]!) > 10 * TOLERANCE),
    );
  }
});

Deno.test("heads are known where the file or the config beside it has them", async () => {
  const heads = await Promise.all(FILES.map(async ([file]) => (await weightsIn(file)).heads));
  assert.deepEqual(heads, [2, undefined, undefined, undefined, 2, 2]);
});

Deno.test("one model has the same tensors whichever file of its precision it is read from", async () => {
  const { tensors } = await weightsIn("hf");
  assert.deepEqual(await tensorsIn("hf/model.safetensors"), plain(tensors));
  assert.deepEqual(await tensorsIn("llmc.bin"), plain(tensors));
  assert.deepEqual(await tensorsIn("llmc_bf16.bin"), await tensorsIn("bare.safetensors"));
});

Deno.test("a file of weights has its own digest and name", async () => {
  const bytes = await Deno.readFile(pathOf("hf/model.safetensors"));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const { name, digest } = await weightsIn("hf");
  assert.deepEqual({ name, digest }, { name: "hf", digest: hash.toHex() });
});

function pathOf(file: string): string {
  return fileURLToPath(new URL(`torch/weights/${file}`, import.meta.url));
}

async function weightsIn(file: string): Promise<WeightsFile> {
  return await orThrow(readWeights(pathOf(file)));
}

async function tensorsIn(file: string) {
  return plain((await weightsIn(file)).tensors);
}

function plain(tensors: ReadonlyMap<string, HostTensor>) {
  const named = [...tensors].map(([name, { shape, data }]) => [name, { shape, data: [...data] }]);
  return Object.fromEntries(named);
}

async function fixture(precision: string) {
  const decoded = decodeSafetensors(await Deno.readFile(pathOf("logits.safetensors")));
  assert.ok(E.isRight(decoded));
  const { tensors } = decoded.right;
  return { tokens: tensors.get("tokens")!, logits: tensors.get(`logits/${precision}`)! };
}

async function logitsOf(
  device: Device,
  { tensors }: WeightsFile,
  tokens: HostTensor,
): Promise<HostTensor> {
  const logits = scoped(() => {
    const params = restoreTree(initTransformer(SIZES, key(0)), tensors);
    if (E.isLeft(params)) throw new Error(params.left);
    return transformerLogits(params.right, toDevice(tokens) as tf.Tensor2D, SIZES);
  });
  const read = await device.read(logits);
  release(logits);
  return read;
}
