import type { StateFingerprint } from "../core/event.ts";
import { sha256 } from "./digest.ts";

/**
 * The fingerprint of a state from the `bitSums` of its tensors: four numbers each, one tensor after the
 * other, in sorted order of `names`, which are given in that order.
 *
 * `state` is the first 128 bits of the SHA-256 of each name, a line feed, and its sums in 32 hexadecimal
 * digits and a line feed. docs/format.md has the rule.
 */
export function stateFingerprint(names: readonly string[], sums: Uint32Array): StateFingerprint {
  const texts = Array.from(sums, (sum) => sum.toString(16).padStart(8, "0"));
  const lines = names.map((name, i) => `${name}\n${texts.slice(4 * i, 4 * i + 4).join("")}\n`);
  return {
    state: sha256(lines.join("")).slice(0, 32),
    tensors: names.map((_, i) => texts[4 * i]!).join(""),
  };
}

/** Those of `names` whose tensors differ in two fingerprints of states with these tensors. */
export function differingTensors(
  names: readonly string[],
  { tensors: expected }: StateFingerprint,
  { tensors: actual }: StateFingerprint,
): readonly string[] {
  return names.filter((_, i) =>
    expected.slice(8 * i, 8 * i + 8) !== actual.slice(8 * i, 8 * i + 8)
  );
}
