import assert from "node:assert/strict";
import fc from "fast-check";
import { packed, packedSource } from "../../src/adapters/data/packed_sequences.ts";
import { LETTER_TOKENS, pronouncedWords } from "../../src/recipes/data/pronounced_words.ts";

const sequence = fc.tuple(
  fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 6 }),
  fc.integer({ min: 0, max: 255 }),
);

Deno.test("any packed sequence is had back by its number, filled up with zeros", () => {
  fc.assert(fc.property(fc.array(sequence, { minLength: 1, maxLength: 9 }), (sequences) => {
    const source = packedSource("packed", packed(sequences), 6);
    assert.equal(source.identity.samples, sequences.length);
    const numbers = sequences.map((_, number) => sequences.length - 1 - number);
    const { inputs, targets } = source.at(numbers) as Awaited<ReturnType<typeof source.at>>;
    const expected = sequences.toReversed();
    assert.deepEqual(inputs.shape, [sequences.length, 6]);
    assert.deepEqual(
      [...inputs.data],
      expected.flatMap(([tokens]) => [...tokens, ...Array(6 - tokens.length).fill(0)]),
    );
    assert.deepEqual([...targets.data], expected.map(([, kind]) => kind));
  }));
});

Deno.test("packed sequences that are divided otherwise, or of other classes, are other data", () => {
  const digestOf = (...sequences: [number[], number][]) =>
    packedSource("packed", packed(sequences), 3).identity.digest;
  const digests = [
    digestOf([[1, 2], 0], [[3], 1]),
    digestOf([[1], 0], [[2, 3], 1]),
    digestOf([[1, 2], 0], [[3], 2]),
    digestOf([[1, 2], 0], [[4], 1]),
  ];
  assert.equal(new Set(digests).size, 4);
});

Deno.test("a sequence that is too long is refused, and so is a pack of none", () => {
  const source = () => packedSource("packed", packed([[[1], 0], [[1, 2, 3], 0]]), 2);
  assert.throws(source, /sequences of up to 2 tokens in "packed", found one of 3/);
  assert.throws(() => packedSource("packed", packed([]), 2), /Expected a sequence of "packed"/);
});

Deno.test("words have the syllables and the stress that the dictionary says", async () => {
  const [syllables, stress] = await Promise.all([
    tableOf("syllables"),
    tableOf("stress"),
  ]);
  const words = ["EYE", "TRAINING", "RELIABLE", "DON'T", "RACCOON"];
  assert.deepEqual(words.map((word) => syllables.get(word)! + 1), [1, 2, 4, 1, 2]);
  assert.deepEqual(words.map((word) => stress.get(word)! + 1), [1, 1, 2, 1, 2]);
  assert.ok(!syllables.has("UNCOMMONLY") && syllables.size > 60_000);
});

/** Every word of up to 8 letters, and its class. */
async function tableOf(target: "syllables" | "stress"): Promise<ReadonlyMap<string, number>> {
  const table = new Map<string, number>();
  const { train, heldOut } = await pronouncedWords(target, 8);
  for (const { tokens, starts, classes } of [train, heldOut]) {
    assert.ok(Math.min(...tokens.subarray(0, 1e4)) >= 1 && tokens.indexOf(LETTER_TOKENS) < 0);
    classes.forEach((kind, number) => {
      const own = tokens.subarray(starts[number], starts[number + 1]);
      const word = Array.from(own, (token) => token === 27 ? "'" : String.fromCharCode(64 + token));
      assert.ok(!table.has(word.join("")), "a word is in one set, once");
      table.set(word.join(""), kind);
    });
  }
  return table;
}
