/** Up to `count` of `names` that `text` may have been meant to be, nearest first: for messages. */
export function nearest(text: string, names: readonly string[], count = 3): readonly string[] {
  return names
    .map((name) => ({ name, distance: editDistance(text.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) =>
      distance <= Math.max(2, name.length / 3) || abbreviates(text, name)
    )
    .sort((a, b) => rank(text, a) - rank(text, b) || (a.name < b.name ? -1 : 1))
    .slice(0, count)
    .map(({ name }) => name);
}

/** What abbreviates a name ("optimizer.lr") comes before what merely resembles it. */
function rank(text: string, { name, distance }: { name: string; distance: number }): number {
  return abbreviates(text, name) ? distance / (name.length + 1) : distance;
}

/** Whether each part of a dotted name has the letters of the text's part, in order, the first first. */
function abbreviates(text: string, name: string): boolean {
  const short = text.toLowerCase().split(".");
  const parts = name.toLowerCase().split(".").slice(-short.length);
  return text.length > 1 && short.every((letters, index) => {
    const part = parts[index] ?? "";
    return part[0] === letters[0] && isSubsequence(letters, part);
  });
}

function isSubsequence(letters: string, word: string): boolean {
  let found = 0;
  for (const letter of word) if (letter === letters[found]) found++;
  return found === letters.length;
}

/** Levenshtein distance by the two-row method (Wagner and Fischer, 1974). */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = above[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      line.push(Math.min(substitution, above[column]! + 1, line[column - 1]! + 1));
    }
    above = line;
  }
  return above[b.length]!;
}
