import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { describeFormatError } from "../../codec/format_error.ts";
import { headsOfGpt2Config } from "../../codec/gpt2_config.ts";
import { decodeHalfWeights } from "../../codec/half_weights.ts";
import { isWeightName, withoutHuggingFaceNames } from "../../codec/hugging_face_names.ts";
import { decodeLlmcModel } from "../../codec/llmc_model.ts";
import { describeSafetensorsError } from "../../codec/safetensors.ts";
import type { Digest } from "../../core/digest.ts";
import { fail } from "../../ports/attempt.ts";
import type { DataFileError } from "../../ports/data_file.ts";
import type { WeightsFile } from "../../ports/weights_file.ts";
import { readRegular } from "../files/regular_file.ts";
import { guarded } from "../files/system_error.ts";

/**
 * Reads the weights of a model, under foldlog's names, from
 *
 * - a safetensors file, foldlog's own or one in Hugging Face's layout of GPT-2: a prefix `transformer.` is
 *   taken off, masks and a head that is tied to the embedding are left out, F16 and BF16 become float32;
 * - a directory with such a `model.safetensors` and, for the heads, the `config.json` of a GPT-2;
 * - a file `.bin`, a model of llm.c, float32 or bfloat16.
 *
 * A safetensors file may say its heads in its `__metadata__`, as foldlog's export does.
 *
 * Reads all of the file, and holds it in memory. Fails with DataFileUnusable, which says what was expected
 * and found, where it is anything else, or has a number that is not finite: nothing is guessed, and nothing is loaded in part.
 */
export function readWeights(path: string): TaskEither<DataFileError, WeightsFile> {
  return guarded((reason) => unusable(path, reason), async () => {
    const { isDirectory } = await Deno.stat(path);
    const name = basename(path);
    if (isDirectory) {
      const heads = await headsIn(join(path, "config.json"));
      const weights = await readSafetensors(join(path, "model.safetensors"));
      requireFinite(path, weights);
      return { name, ...weights, ...(heads !== undefined && { heads }) };
    }
    const weights = await (path.endsWith(".bin") ? readLlmc(path) : readSafetensors(path));
    requireFinite(path, weights);
    return { name, ...weights };
  });
}

type Weights = Omit<WeightsFile, "name">;

async function readSafetensors(path: string): Promise<Weights> {
  const { bytes, digest } = await readWhole(path);
  const decoded = decodeHalfWeights(bytes, isWeightName);
  if (E.isLeft(decoded)) return refuse(path, describeSafetensorsError(decoded.left));
  const { tensors: named, metadata } = decoded.right;
  const tensors = withoutHuggingFaceNames(named);
  if (E.isLeft(tensors)) return refuse(path, tensors.left);
  const heads = Object.hasOwn(metadata, "heads") ? Number(metadata["heads"]) : undefined;
  const isCount = Number.isSafeInteger(heads) && heads! > 0;
  return { digest, tensors: tensors.right, ...(isCount && { heads: heads! }) };
}

/** Refuses numbers that are none: a training that begins with them ends with them. */
function requireFinite(path: string, { tensors }: Pick<WeightsFile, "tensors">): void {
  for (const [name, { data }] of tensors) {
    const place = data.findIndex((value) => !Number.isFinite(value));
    if (place >= 0) {
      refuse(path, `expected finite numbers, found ${data[place]} in "${name}", element ${place}`);
    }
  }
}

async function readLlmc(path: string): Promise<Weights> {
  const { bytes, digest } = await readWhole(path);
  const model = decodeLlmcModel(bytes);
  return E.isLeft(model)
    ? refuse(path, describeFormatError(model.left))
    : { digest, ...model.right };
}

/** The heads that a `config.json` says; undefined where there is none. */
async function headsIn(path: string): Promise<number | undefined> {
  const content = await readRegular(path, { least: 0, most: MAX_CONFIG_BYTES });
  if (content.type === "NoFile") return undefined;
  if (content.type === "Misfit") return refuse(path, content.reason);
  const heads = headsOfGpt2Config(jsonOf(path, content.bytes));
  return E.isLeft(heads) ? refuse(path, heads.left) : heads.right;
}

/** A config.json is a few hundred bytes. */
const MAX_CONFIG_BYTES = 2 ** 20;

function jsonOf(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    return refuse(path, `expected JSON in UTF-8, found something else (${error.message})`);
  }
}

async function readWhole(
  path: string,
): Promise<{ readonly bytes: Uint8Array; readonly digest: Digest }> {
  const hash = createHash("sha256");
  const size = { least: 0, most: Number.MAX_SAFE_INTEGER };
  const content = await readRegular(path, size, (chunk) => void hash.update(chunk));
  switch (content.type) {
    case "Content":
      return { bytes: content.bytes, digest: hash.digest("hex") };
    case "NoFile":
      return refuse(path, "expected a file, found none");
    case "Misfit":
      return refuse(path, content.reason);
  }
}

function refuse(path: string, reason: string): never {
  return fail(unusable(path, reason));
}

function unusable(place: string, reason: string): DataFileError {
  return { type: "DataFileUnusable", action: "read the weights", place, reason };
}
