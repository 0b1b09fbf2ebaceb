/**
 * A whole number at random, at least 0 and less than `below`, each as likely as the others.
 *
 * Whoever could know it beforehand would know which of many things is not looked at.
 */
export type Draw = (below: number) => number;

/**
 * `count` of `items` at random, in their order; all of them where there are no more. Every choice of
 * `count` is as likely as the others (a Fisher-Yates shuffle that stops after `count`; Knuth, The Art of
 * Computer Programming, volume 2, algorithm P).
 */
export function sampleOf<A>(items: readonly A[], count: number, draw: Draw): readonly A[] {
  const places = items.map((_, place) => place);
  const taken = Math.min(count, items.length);
  for (let i = 0; i < taken; i++) {
    const other = i + draw(places.length - i);
    [places[i], places[other]] = [places[other]!, places[i]!];
  }
  return places.slice(0, taken).sort((a, b) => a - b).map((place) => items[place]!);
}

/**
 * The chance that one forged item of `of` is among `taken` that are chosen at random: `taken / of`.
 *
 * With m forged ones the chance that at least one is among them is 1 - C(of - m, taken) / C(of, taken),
 * by the hypergeometric distribution.
 */
export function chanceOfCatching(taken: number, of: number): number {
  return taken / of;
}
