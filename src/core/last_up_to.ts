/** The last position of an ascending row whose value is at most `most`, or -1: O(log n). */
export function lastUpTo(row: readonly number[], most: number): number {
  let [from, to] = [0, row.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (row[middle]! <= most) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}
