/** A string as a message quotes it: escaped, and cut, since one from outside can be megabytes. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
