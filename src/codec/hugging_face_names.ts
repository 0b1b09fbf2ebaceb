import * as E from "fp-ts/Either.js";
import { bytesOf, type HostTensor } from "../core/host_tensor.ts";
import type { TensorGroup } from "../core/snapshot.ts";

/** What transformers writes before the names of all tensors of a GPT2LMHeadModel but its head. */
const PREFIX = "transformer.";

const HEAD = "lm_head.weight";
const TABLE = "wte.weight";

/** Masks of GPT-2's attention, which older files have beside the weights. */
const MASK = /^(?:transformer\.)?h\.\d+\.attn\.(?:masked_)?bias$/;

/** Whether a tensor of a model in Hugging Face's layout is one of its weights. */
export function isWeightName(name: string): boolean {
  return !MASK.test(name);
}

/**
 * Weights under foldlog's names, of a file with Hugging Face's: without the prefix `transformer.`, and
 * without a head, which is the embedding. safetensors keeps one of two equal tensors: where that is the
 * head, it is the embedding. Other names stay as they are.
 *
 * Left is one sentence, where the head is another one than the embedding, or two names become one.
 */
export function withoutHuggingFaceNames(tensors: TensorGroup): E.Either<string, TensorGroup> {
  const named = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    const short = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
    if (named.has(short)) {
      return E.left(`expected one tensor "${short}", found it with and without "${PREFIX}"`);
    }
    named.set(short, tensor);
  }
  const head = named.get(HEAD);
  if (head === undefined || !named.has("wpe.weight")) return E.right(named);
  const table = named.get(TABLE);
  if (table !== undefined && !equal(table, head)) {
    return E.left(
      `expected "${HEAD}" to be equal to "${TABLE}", as foldlog's transformer has one table for ` +
        "both, found other numbers",
    );
  }
  named.delete(HEAD);
  return E.right(table === undefined ? new Map([[TABLE, head], ...named]) : named);
}

/** Weights under the names that transformers gives those of a GPT2LMHeadModel; its head is not stored. */
export function withHuggingFaceNames(tensors: TensorGroup): TensorGroup {
  return new Map([...tensors].map(([name, tensor]) => [PREFIX + name, tensor]));
}

function equal(a: HostTensor, b: HostTensor): boolean {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  const [left, right] = [bytesOf(a), bytesOf(b)];
  return left.every((byte, i) => byte === right[i]);
}
