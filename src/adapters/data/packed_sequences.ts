import { sha256 } from "../../codec/digest.ts";
import type { HostTensor } from "../../core/host_tensor.ts";
import type { BatchSource } from "../../ports/batch_source.ts";

/** Sequences of tokens of any length, one after the other in one block, and what each is. */
export interface PackedSequences {
  /** The tokens of all sequences, each from 1 to 255; 0 is what is not there. */
  readonly tokens: Uint8Array;
  /** Where each sequence begins, and where the last one ends: one more than there are sequences. */
  readonly starts: Uint32Array;
  /** The class of each sequence. */
  readonly classes: Uint8Array;
}

/** Sequences and their classes: [samples, context] and [samples], both int32. */
export type SequenceBatch = { readonly inputs: HostTensor; readonly targets: HostTensor };

/** Packs sequences, each with its class. */
export function packed(
  sequences: readonly (readonly [tokens: readonly number[], kind: number])[],
): PackedSequences {
  const starts = new Uint32Array(sequences.length + 1);
  for (const [number, [tokens]] of sequences.entries()) {
    starts[number + 1] = starts[number]! + tokens.length;
  }
  const tokens = new Uint8Array(starts.at(-1)!);
  for (const [number, [own]] of sequences.entries()) tokens.set(own, starts[number]);
  return { tokens, starts, classes: Uint8Array.from(sequences, ([, kind]) => kind) };
}

/**
 * A data set of packed sequences: sample i is sequence i, filled up with zeros to `context`. Any of them is
 * found by the index, so all cost the same. Borrows the block for as long as it lives.
 *
 * @throws {RangeError} for a sequence that is longer than `context`, or where there are none
 */
export function packedSource(
  name: string,
  { tokens, starts, classes }: PackedSequences,
  context: number,
): BatchSource<SequenceBatch> {
  const samples = classes.length;
  if (samples < 1) throw new RangeError(`Expected a sequence of "${name}", found none`);
  const long = classes.findIndex((_, number) => starts[number + 1]! - starts[number]! > context);
  if (long >= 0) {
    throw new RangeError(
      `Expected sequences of up to ${context} tokens in "${name}", found one of ` +
        `${starts[long + 1]! - starts[long]!}`,
    );
  }
  return {
    identity: {
      name,
      samples,
      digest: sha256(sha256(tokens), sha256(new Uint8Array(starts.buffer)), sha256(classes)),
    },
    at(numbers) {
      const inputs = new Int32Array(numbers.length * context);
      numbers.forEach((number, row) => {
        inputs.set(tokens.subarray(starts[number], starts[number + 1]), row * context);
      });
      const targets = Int32Array.from(numbers, (number) => classes[number]!);
      return {
        inputs: { dtype: "int32", shape: [numbers.length, context], data: inputs },
        targets: { dtype: "int32", shape: [numbers.length], data: targets },
      };
    },
  };
}
