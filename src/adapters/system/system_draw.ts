/**
 * A whole number from the system's source of random numbers, at least 0 and less than `below`, which is
 * at most 2^32; each as likely as the others.
 */
export function systemDraw(below: number): number {
  const word = new Uint32Array(1);
  const end = 2 ** 32 - 2 ** 32 % below; // what is left of a multiple would make some more likely
  do crypto.getRandomValues(word); while (word[0]! >= end);
  return word[0]! % below;
}
