import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { readWeights, type TensorGroup } from "foldlog";
import { decodeHalfWeights, type HalfWeights } from "../../src/codec/half_weights.ts";
import { widened } from "../../src/codec/half_floats.ts";
import { decodeLlmcModel, type LlmcModel } from "../../src/codec/llmc_model.ts";
import { sizeOf } from "../../src/core/host_tensor.ts";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";

const golden = new URL("../golden/torch/weights/", import.meta.url);
const FILES = await Promise.all(
  ["llmc.bin", "llmc_bf16.bin", "masks.safetensors", "bare.safetensors", "hf/model.safetensors"]
    .map(async (name) => ({
      name,
      bytes: await Deno.readFile(new URL(name, golden)),
    })),
);
const file = fc.constantFrom(...FILES);

/** The tensors of a file's bytes; undefined where they are refused. */
function decode(name: string, bytes: Uint8Array): TensorGroup | undefined {
  const decoded = name.endsWith(".bin")
    ? E.map(({ tensors }: LlmcModel) => tensors)(decodeLlmcModel(bytes))
    : E.map(({ tensors }: HalfWeights) => tensors)(decodeHalfWeights(bytes));
  return E.isRight(decoded) ? decoded.right : undefined;
}

Deno.test("a file of weights that is cut short anywhere is refused", () => {
  fc.assert(
    fc.property(
      file,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      ({ name, bytes }, share) => {
        const cut = bytes.subarray(0, Math.floor(share * bytes.length));
        assert.equal(decode(name, cut), undefined);
      },
    ),
  );
});

Deno.test("bytes that are damaged anywhere are refused, or read as tensors of their own shapes", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(file, damage, fc.boolean(), ({ name, bytes }, changes, inHeader) => {
      const damaged = bytes.slice();
      const end = inHeader ? 64 : bytes.length;
      for (const [at, byte] of changes) damaged[at % end] = byte;
      const tensors = decode(name, damaged);
      if (tensors === undefined) return;
      for (const { shape, data } of tensors.values()) {
        assert.equal(data.length, sizeOf(shape));
      }
    }),
    { numRuns: 400 },
  );
});

Deno.test("readWeights() never throws, whatever a file holds", async () => {
  await inTemporaryDirectory(async (directory) => {
    const name = fc.constantFrom("a.bin", "a.safetensors", "config.json", "model.safetensors");
    await fc.assert(
      fc.asyncProperty(name, fc.uint8Array({ maxLength: 2000 }), async (name, bytes) => {
        await Deno.writeFile(`${directory}/${name}`, bytes);
        const file = await readWeights(`${directory}/${name}`)();
        const whole = await readWeights(directory)();
        assert.ok(E.isLeft(file) || file.right.tensors.size === 0);
        assert.ok(E.isLeft(whole) || whole.right.tensors.size === 0);
      }),
      { numRuns: 50 },
    );
  });
});

Deno.test("every half float becomes the float32 of the same value, at any offset", () => {
  const every = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
  const shifted = new Uint8Array(2 ** 17 + 1);
  shifted.set(new Uint8Array(every.buffer), 1);
  const bytes = shifted.subarray(1);
  const valueOf = (bits: number, exponentBits: number, fractionBits: number) => {
    const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
    const fraction = bits & (2 ** fractionBits - 1);
    const sign = bits >> 15 ? -1 : 1;
    const bias = 2 ** (exponentBits - 1) - 1;
    if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
    const scale = 2 ** (Math.max(exponent, 1) - bias - fractionBits);
    return sign * (fraction + (exponent > 0 ? 2 ** fractionBits : 0)) * scale;
  };
  const half = widened("F16", bytes);
  const brain = widened("BF16", bytes);
  for (const bits of every) {
    assert.ok(Object.is(half[bits], valueOf(bits, 5, 10)), `F16 ${bits}`);
    assert.ok(Object.is(brain[bits], valueOf(bits, 8, 7)), `BF16 ${bits}`);
  }
});
