import type { Digest } from "../core/digest.ts";

const DIGITS = 12;

/** Two digests that differ, for people: so many of the first digits of each that it shows. */
export function apart(one: Digest, other: Digest): readonly [one: string, other: string] {
  let same = 0;
  while (same < one.length && one[same] === other[same]) same++;
  const digits = Math.max(DIGITS, same + 1);
  return [one.slice(0, digits), other.slice(0, digits)];
}
