import * as E from "fp-ts/Either.js";
import { type HostTensor, sizeOf } from "../core/host_tensor.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import type { FormatError } from "./format_error.ts";
import { widened } from "./half_floats.ts";
import { headerIntegers, LLMC_HEADER_BYTES } from "./llmc_header.ts";
import { outputsFirst } from "./outputs_first.ts";

/** A GPT-2 as llm.c stores it. */
export interface LlmcModel {
  readonly heads: number;
  /** Under the names of GPT-2's Hugging Face layout, dense weights [in, out], as foldlog has them. */
  readonly tensors: TensorGroup;
}

/** The first integer of a model of llm.c. */
const MAGIC = 20240326;

/** Bytes of an element, by version of the file. */
const ITEM_BYTES: Readonly<Record<number, 2 | 4>> = { 3: 4, 5: 2 };

/** A kind of parameters in a file: those of all layers lie one after the other. */
interface Stored {
  /** Path of the parameter; `h.` and the number of the layer come before it where it is a layer's. */
  readonly path: string;
  /** Of one layer; dense weights are [out, in]. */
  readonly shape: readonly number[];
  readonly of: "model" | "layer";
}

/**
 * Reads a model of llm.c, version 3 (float32) or 5 (bfloat16): 256 int32, of which the first eight are the
 * magic number, the version, longest context, vocabulary, layers, heads, channels and padded vocabulary,
 * and then the parameters, in the order of `ParameterTensors` in llm.c's train_gpt2.c.
 *
 * The rows that pad the vocabulary are left out, and dense weights are transposed. What is neither is a
 * view of `bytes` where they hold float32, so `bytes` must not change while the tensors are used.
 */
export function decodeLlmcModel(bytes: Uint8Array): E.Either<FormatError, LlmcModel> {
  if (bytes.length < LLMC_HEADER_BYTES) {
    return bad("the header is cut off", `${LLMC_HEADER_BYTES} bytes`, `${bytes.length}`);
  }
  const [magic, version, ...sizes] = headerIntegers(bytes, 8) as [number, number, ...number[]];
  if (magic !== MAGIC) return bad("not a model of llm.c: bad magic number", `${MAGIC}`, `${magic}`);
  const itemBytes = ITEM_BYTES[version];
  if (itemBytes === undefined) {
    return bad("bad version", "3 (float32) or 5 (bfloat16)", `${version}`);
  }
  const flaw = sizes.findIndex((size) => size < 1);
  if (flaw >= 0) return bad(`bad ${SIZES[flaw]}`, "at least 1", `${sizes[flaw]}`);
  const [context, vocabulary, layers, heads, channels, padded] = sizes as [...Sizes];
  if (padded < vocabulary) {
    return bad("bad padded vocabulary", `at least the vocabulary, ${vocabulary}`, `${padded}`);
  }
  if (channels % heads !== 0) {
    return bad("bad number of channels", `a multiple of ${heads} heads`, `${channels}`);
  }
  const kinds = storedKinds({ context, padded, channels });
  const elements = kinds.reduce(
    (sum, { shape, of }) => sum + sizeOf(shape) * (of === "layer" ? layers : 1),
    0,
  );
  const expected = LLMC_HEADER_BYTES + itemBytes * elements;
  if (bytes.length !== expected) {
    return bad("bad size for the model of its header", `${expected} bytes`, `${bytes.length}`);
  }
  const read = reader(bytes, itemBytes);
  const tensors = new Map<string, HostTensor>();
  for (const { path, shape, of } of kinds) {
    const names = of === "model" ? [path] : layerPaths(path, layers);
    for (const name of names) tensors.set(name, asFoldlogs(name, shape, read(sizeOf(shape))));
  }
  return E.right({ heads, tensors: withRows(tensors, "wte.weight", vocabulary) });
}

type Sizes = [number, number, number, number, number, number];

const SIZES = ["context", "vocabulary", "layers", "heads", "channels", "padded vocabulary"];

function layerPaths(path: string, layers: number): readonly string[] {
  return Array.from({ length: layers }, (_, layer) => `h.${layer}.${path}`);
}

/** The parameters in the order of the file. */
function storedKinds(
  { context, padded, channels: C }: {
    readonly context: number;
    readonly padded: number;
    readonly channels: number;
  },
): readonly Stored[] {
  const layer = (path: string, ...shape: number[]): Stored => ({ path, shape, of: "layer" });
  const model = (path: string, ...shape: number[]): Stored => ({ path, shape, of: "model" });
  return [
    model("wte.weight", padded, C),
    model("wpe.weight", context, C),
    layer("ln_1.weight", C),
    layer("ln_1.bias", C),
    layer("attn.c_attn.weight", 3 * C, C),
    layer("attn.c_attn.bias", 3 * C),
    layer("attn.c_proj.weight", C, C),
    layer("attn.c_proj.bias", C),
    layer("ln_2.weight", C),
    layer("ln_2.bias", C),
    layer("mlp.c_fc.weight", 4 * C, C),
    layer("mlp.c_fc.bias", 4 * C),
    layer("mlp.c_proj.weight", C, 4 * C),
    layer("mlp.c_proj.bias", C),
    model("ln_f.weight", C),
    model("ln_f.bias", C),
  ];
}

/** Reads the next so many elements at each call. */
function reader(bytes: Uint8Array, itemBytes: 2 | 4): (count: number) => Float32Array {
  let at = LLMC_HEADER_BYTES;
  return (count) => {
    const stored = bytes.subarray(at, at += count * itemBytes);
    if (itemBytes === 2) return widened("BF16", stored);
    const { buffer, byteOffset } = stored.byteOffset % 4 === 0 ? stored : new Uint8Array(stored);
    return new Float32Array(buffer, byteOffset, count);
  };
}

function asFoldlogs(name: string, shape: readonly number[], data: Float32Array): HostTensor {
  const table = name === "wte.weight" || name === "wpe.weight"; // rows are looked up in it
  if (table || shape.length < 2) return { dtype: "float32", shape, data };
  const [outputs, inputs] = shape as [number, number];
  const turned = outputsFirst(data, { inputs: outputs, outputs: inputs }); // llm.c's are [out, in]
  return { dtype: "float32", shape: [inputs, outputs], data: turned };
}

/** The tensors, that of this name with its first rows alone. */
function withRows(
  tensors: ReadonlyMap<string, HostTensor>,
  name: string,
  rows: number,
): TensorGroup {
  const { dtype, shape: [, columns], data } = tensors.get(name)!;
  const cut = { dtype, shape: [rows, columns!], data: data.subarray(0, rows * columns!) };
  return new Map([...tensors, [name, cut]]);
}

function bad(reason: string, expected: string, actual: string): E.Either<FormatError, never> {
  return E.left({ reason, expected, actual });
}
