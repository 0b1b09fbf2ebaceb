import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { Json } from "../core/json.ts";
import { decode, positive } from "./decoders.ts";

/** Sizes of a GPT-2 as Hugging Face's `config.json` has them. */
export interface Gpt2Sizes {
  readonly vocabulary: number;
  readonly context: number;
  readonly layers: number;
  readonly heads: number;
  readonly channels: number;
  /** Rate of each of its dropouts in training. */
  readonly dropout: number;
}

/**
 * The `config.json` of a GPT2LMHeadModel that computes what foldlog's transformer does: GELU in its tanh
 * form, epsilon 1e-5, a head tied to the embedding (transformers, `GPT2Config`).
 */
export function encodeGpt2Config(
  { vocabulary, context, layers, heads, channels, dropout }: Gpt2Sizes,
): { readonly [name: string]: Json } {
  const ends = vocabulary === GPT2_VOCABULARY
    ? { bos_token_id: END_OF_TEXT, eos_token_id: END_OF_TEXT }
    : { bos_token_id: null, eos_token_id: null };
  return {
    activation_function: "gelu_new",
    architectures: ["GPT2LMHeadModel"],
    attn_pdrop: dropout,
    ...ends,
    embd_pdrop: dropout,
    initializer_range: 0.02,
    layer_norm_epsilon: 1e-5,
    model_type: "gpt2",
    n_embd: channels,
    n_head: heads,
    n_inner: null,
    n_layer: layers,
    n_positions: context,
    reorder_and_upcast_attn: false,
    resid_pdrop: dropout,
    scale_attn_by_inverse_layer_idx: false,
    scale_attn_weights: true,
    tie_word_embeddings: true,
    torch_dtype: "float32",
    use_cache: true,
    vocab_size: vocabulary,
  };
}

/** How many tokens GPT-2's BPE has. */
export const GPT2_VOCABULARY = 50257;

/** The last of them, which stands between texts. */
export const END_OF_TEXT = 50256;

/** Settings of a `config.json` that foldlog's transformer has in one way, and which. */
const FIXED: Readonly<Record<string, readonly unknown[]>> = {
  model_type: ["gpt2"],
  activation_function: ["gelu_new", "gelu_pytorch_tanh"],
  layer_norm_epsilon: [1e-5],
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  add_cross_attention: [false],
  tie_word_embeddings: [true],
};

const heads: t.Decoder<unknown, { n_head: number }> = t.type(
  { n_head: positive as t.Type<number> },
  "the settings of a GPT-2",
);

/**
 * The heads that the `config.json` of a GPT-2 says; whatever else it has must be as foldlog's transformer
 * is, since the weights would mean something else. A setting that is left out is as `GPT2Config` has it,
 * which is as here. Left is one sentence that says what was expected and found.
 */
export function headsOfGpt2Config(json: unknown): E.Either<string, number> {
  const decoded = decode(heads, json);
  if (E.isLeft(decoded)) return decoded;
  const members = json as Readonly<Record<string, unknown>>;
  for (const [name, values] of Object.entries(FIXED)) {
    if (!Object.hasOwn(members, name) || values.includes(members[name])) continue;
    const expected = values.map((value) => JSON.stringify(value)).join(" or ");
    return E.left(
      `expected "${name}" to be ${expected}, as foldlog's transformer has it, ` +
        `found ${JSON.stringify(members[name])}`,
    );
  }
  return E.right(decoded.right.n_head);
}
