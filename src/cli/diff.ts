import { fileStore } from "../adapters/file_store.ts";
import { diffRuns, type RunDifference } from "../app/diff_runs.ts";
import type { EntryDifference } from "../app/event_difference.ts";
import {
  type JsonElementDifference,
  type LeafDifference,
  sameState,
  type StateDifference,
} from "../app/state_difference.ts";
import type { Json } from "../core/json.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runsDirectory } from "./context.ts";
import { runAtOf } from "./run_at.ts";
import { table } from "./table.ts";

/** Compares two runs; the exit status is the answer: 1 where something differs. */
export async function run(args: ArgumentsOf<"diff">): Promise<number> {
  const store = fileStore(runsDirectory(args.runs));
  const found = await orExit(diffRuns(store, runAtOf(args.a), runAtOf(args.b)));
  if (args.json) printJson(found);
  else print(found);
  return found.same ? 0 : 1;
}

function print(found: RunDifference): void {
  const { a, b, event, config, environment, identity, state } = found;
  const head = ["", titleOf(found, "a"), titleOf(found, "b")] as const;
  const rowsOf = (entries: readonly EntryDifference[]) =>
    entries.map(({ name, a, b }) => [`  ${name}`, shown(a), shown(b)]);
  const section = (title: string, entries: readonly EntryDifference[]) => {
    if (entries.length > 0) console.log(`\n${table([title, ...head.slice(1)], rowsOf(entries))}`);
  };
  console.log(
    `a: run "${a.run}", steps ${a.from} to ${a.to}\nb: run "${b.run}", steps ${b.from} to ${b.to}`,
  );
  if (event === undefined) {
    const [from, to] = [Math.max(a.from, b.from), Math.min(a.to, b.to)];
    if (from < to) console.log(`\nSteps ${from + 1} to ${to}, which both have, are equal.`);
  } else if (event.members.length === 0) {
    const [who, what] = event.a === undefined ? ["b", event.b] : ["a", event.a];
    console.log(`\nThe first difference is at step ${event.step}: ${what}, of ${who} alone.`);
  } else {
    const what = event.a === event.b ? event.a : `${event.a} and ${event.b}`;
    console.log(`\nThe first difference is at step ${event.step}: ${what}.`);
    console.log(table(["member", ...head.slice(1)], rowsOf(event.members)));
  }
  section("identity", identity);
  section("settings", config);
  section("environment", environment.members);
  if (environment.kernels.length > 0) {
    const names = environment.kernels.map(({ name }) => name);
    console.log(`\nKernels that compute other bits: ${names.join(", ")}.`);
  }
  printState(state);
  if (found.same) console.log("\nNothing differs.");
}

function printState(state: StateDifference | undefined): void {
  if (state === undefined) {
    return console.log(
      "\nThe states are not compared: there is no step of which both runs keep a snapshot that can " +
        "be read.",
    );
  }
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

/** How a column is headed: by the run, and where both are of one run, by its steps. */
function titleOf({ a, b }: RunDifference, which: "a" | "b"): string {
  const { run, to } = which === "a" ? a : b;
  return a.run === b.run ? `${run}@${to}` : run;
}

/** A value in a cell; of digests and other long texts the beginning. */
function shown(value: Json | undefined): string {
  if (value === undefined) return "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 64 ? `${text.slice(0, 61)}...` : text;
}
