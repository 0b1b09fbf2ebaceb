/**
 * The benchmarks: `deno task bench [NAME] [--json FILE]`.
 *
 * Each figure is a ratio to something measured in the same run: machines are shared and noisy.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { table } from "../src/cli/table.ts";
import { distanceBench } from "./distance_bench.ts";
import { fingerprintBench } from "./fingerprint_bench.ts";
import { grainBench } from "./grain_bench.ts";
import { logBench } from "./log_bench.ts";
import { memoryBench } from "./memory_bench.ts";
import { overheadBench } from "./overhead_bench.ts";
import { replayBench } from "./replay_bench.ts";
import { resumeBench } from "./resume_bench.ts";
import type { Row } from "./row.ts";
import { sizesBench } from "./sizes_bench.ts";
import { snapshotBench } from "./snapshot_bench.ts";
import { stepBench } from "./step_bench.ts";

const subjects: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  distance: distanceBench,
  fingerprint: fingerprintBench,
  grain: grainBench,
  log: logBench,
  memory: memoryBench,
  overhead: overheadBench,
  replay: replayBench,
  resume: resumeBench,
  sizes: sizesBench,
  snapshots: snapshotBench,
  step: stepBench,
};

const { positionals, values } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { json: { type: "string" } },
});
const unknown = positionals.find((name) => !Object.hasOwn(subjects, name));
if (unknown !== undefined) {
  console.error(
    `There is no benchmark "${unknown}": expected ${Object.keys(subjects).join(", ")}.`,
  );
  Deno.exit(2);
}

const rows: Row[] = [];
for (const [name, bench] of Object.entries(subjects)) {
  if (positionals.length === 0 || positionals.includes(name)) rows.push(...await bench());
}
console.log(table(
  ["SUBJECT", "CASE", "BACKEND", "VALUE", "UNIT", "RATIO", "OF", "EQUAL BITS", "RECOMPUTED"],
  rows.map((row) => [
    row.subject,
    row.case,
    row.backend,
    row.value.toPrecision(3),
    row.unit,
    row.ratio.toPrecision(3),
    row.peerValue === undefined ? row.peer : `${row.peer}: ${row.peerValue.toPrecision(3)}`,
    row.equalBits === undefined ? "" : row.equalBits ? "yes" : "NO",
    row.recomputed === undefined ? "" : String(row.recomputed),
  ]),
));
if (values.json !== undefined) {
  await Deno.writeTextFile(values.json, rows.map((row) => JSON.stringify(row) + "\n").join(""));
}
Deno.exit(rows.some((row) => row.equalBits === false) ? 1 : 0);
