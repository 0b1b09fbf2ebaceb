/** A key, and how it is written before its value. */
export interface WrittenKey {
  readonly key: string;
  readonly text: string;
}

interface Order {
  readonly keys: readonly string[];
  readonly written: readonly WrittenKey[];
}

const MOST_ORDERS = 256;

/**
 * Keys sorted by UTF-16 code units, each written by `write`: a pure function, which may throw.
 *
 * A log writes objects of the same few kinds over and over: the order of the last object that began
 * with the same key is kept, since to compare keys costs a tenth of what it costs to sort and write them.
 */
export function keyOrder(
  write: (key: string) => string,
): (keys: readonly string[]) => readonly WrittenKey[] {
  const orders = new Map<string, Order>();
  return function written(keys: readonly string[]): readonly WrittenKey[] {
    const first = keys[0];
    if (first === undefined) return [];
    const known = orders.get(first);
    if (known !== undefined && areEqual(known.keys, keys)) return known.written;
    const order = { keys, written: keys.toSorted().map((key) => ({ key, text: write(key) })) };
    if (orders.size >= MOST_ORDERS) orders.clear();
    orders.set(first, order);
    return order.written;
  };
}

function areEqual(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return false;
  }
  return true;
}
