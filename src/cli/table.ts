import Table from "cli-table3";

const BARE = Object.fromEntries(
  [
    "top",
    "top-mid",
    "top-left",
    "top-right",
    "bottom",
    "bottom-mid",
    "bottom-left",
    "bottom-right",
    "left",
    "left-mid",
    "mid",
    "mid-mid",
    "right",
    "right-mid",
    "middle",
  ].map((part) => [part, part === "middle" ? "  " : ""]),
);

/** Rows under a heading, in aligned columns without lines. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const style = { head: [], border: [], "padding-left": 0, "padding-right": 0 };
  const made = new Table({ head: [...head], chars: BARE, style });
  made.push(...rows.map((row) => [...row]));
  return made.toString().split("\n").map((line) => line.trimEnd()).join("\n");
}

/** A loss for people: four decimals, or four digits where it is small; a dash where there is none. */
export function loss(value: number | null | undefined): string {
  if (value === null || value === undefined) return "-";
  return Math.abs(value) >= 0.01 || value === 0 ? value.toFixed(4) : value.toPrecision(4);
}
