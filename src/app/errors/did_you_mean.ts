/** The names that may have been meant, as a question after a sentence; nothing of none. */
export function didYouMean(near: readonly string[]): string {
  return near.length === 0 ? "" : ` Did you mean ${near.join(", ")}?`;
}
