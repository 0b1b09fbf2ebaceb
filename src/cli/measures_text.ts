import type { Measures } from "../core/measures.ts";

/** Measures behind something else in a line: ", accuracy 0.9712"; nothing where there are none. */
export function measuresText(measures: Measures | null | undefined): string {
  return Object.entries(measures ?? {}).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, value]) => `, ${name} ${value.toFixed(4)}`).join("");
}
