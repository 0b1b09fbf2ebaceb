import type { PremiseDifference } from "../app/compare/premises.ts";
import type { EntryDifference, EventDifference } from "../app/compare/event_difference.ts";
import {
  type JsonElementDifference,
  type LeafDifference,
  sameState,
  type StateDifference,
} from "../app/compare/state_difference.ts";
import type { Json } from "../core/json.ts";
import { table } from "./table.ts";

/** How the columns of two runs are headed. */
export type Titles = readonly [a: string, b: string];

/** Prints the first event that differs. */
export function printEvent(event: EventDifference, titles: Titles): void {
  if (event.members.length === 0) {
    const [who, what] = event.a === undefined ? ["b", event.b] : ["a", event.a];
    console.log(`\nThe first difference is at step ${event.step}: ${what}, of ${who} alone.`);
  } else {
    const what = event.a === event.b ? event.a : `${event.a} and ${event.b}`;
    console.log(`\nThe first difference is at step ${event.step}: ${what}.`);
    console.log(table(["member", ...titles], rowsOf(event.members)));
  }
}

/** Prints in what runs differ that their trainings depend on, where they do. */
export function printPremises(
  { identity, config, environment }: PremiseDifference,
  titles: Titles,
): void {
  const section = (title: string, entries: readonly EntryDifference[]) => {
    if (entries.length > 0) console.log(`\n${table([title, ...titles], rowsOf(entries))}`);
  };
  section("identity", identity);
  section("settings", config);
  section("environment", environment.members);
  if (environment.kernels.length > 0) {
    const names = environment.kernels.map(({ name }) => name);
    console.log(`\nKernels that compute other bits: ${names.join(", ")}.`);
  }
}

/** Prints in what two states differ, leaf by leaf. */
export function printState(state: StateDifference): void {
  const { steps, leaves, differing, onlyA, onlyB } = state;
  const when = steps.a === steps.b ? `of step ${steps.a}` : `of steps ${steps.a} and ${steps.b}`;
  if (sameState(state)) return console.log(`\nThe states ${when} are equal: ${leaves} leaves.`);
  console.log(`\nThe states ${when}: ${differing.length} of ${leaves} leaves differ.`);
  for (const [who, only] of [["a", onlyA], ["b", onlyB]] as const) {
    if (only.length > 0) console.log(`Only ${who} has: ${only.join(", ")}.`);
  }
  if (differing.length === 0) return;
  const names = ["LEAF", "SHAPE", "DIFFERING", "FIRST AT", "A", "B", "MAX |A-B|", "MAX ULPS"];
  console.log(table(names, differing.map(rowOf)));
  const notNumbers = differing.reduce(
    (sum, leaf) => sum + (leaf.differs === "elements" ? leaf.notNumbers : 0),
    0,
  );
  if (notNumbers > 0) console.log(`NaN is in ${notNumbers} of the pairs, which no maximum has.`);
}

function rowOf(leaf: LeafDifference): readonly string[] {
  if (leaf.differs === "form") {
    const [a, b] = [leaf.a, leaf.b].map(({ dtype, shape }) => `${dtype}[${shape.join()}]`);
    return [leaf.path, `${a} and ${b}`, "form", "-", "-", "-", "-", "-"];
  }
  const { path, shape, differing, elements, first, maxAbsolute, maxUlps } = leaf;
  return [
    path,
    `[${shape.join()}]`,
    `${differing} of ${elements}`,
    `[${first.at.join()}]`,
    ...valuesOf(first),
    typeof maxAbsolute === "number" ? maxAbsolute.toPrecision(4) : maxAbsolute ?? "-",
    String(maxUlps ?? "-"),
  ];
}

/** Two elements in as many digits as tell float32s apart, and where they print alike with their bits. */
function valuesOf({ a, b }: JsonElementDifference["first"]): readonly string[] {
  const texts = [a, b].map(({ value }) =>
    typeof value === "number" ? String(Number(value.toPrecision(9))) : value
  );
  return texts[0] !== texts[1] ? texts : [`${texts[0]} (${a.bits})`, `${texts[1]} (${b.bits})`];
}

function rowsOf(entries: readonly EntryDifference[]): readonly (readonly string[])[] {
  return entries.map(({ name, a, b }) => [`  ${name}`, shown(a), shown(b)]);
}

/** A value in a cell; of digests and other long texts the beginning. */
function shown(value: Json | undefined): string {
  if (value === undefined) return "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 64 ? `${text.slice(0, 61)}...` : text;
}
