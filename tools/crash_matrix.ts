/**
 * Tries every fault of the crash matrix and writes `docs/crash-matrix.md`; takes a quarter of an hour.
 * `deno task crash-matrix OPERATION...` tries some operations alone, and prints what came of it. Ends
 * with status 1 where a fault did harm.
 *
 * @module
 */
import { experimentsWith, runExperiments } from "../tests/fault/matrix.ts";
import { whyNoMount } from "../tests/fault/mounts.ts";
import { type OperationName, operations } from "../tests/fault/operations.ts";
import {
  complaintsOf,
  crashMatrixPage,
  type MatrixRun,
  matrixTable,
} from "../tests/fault/report.ts";
import { complaintOf, type Trial } from "../tests/fault/trial.ts";
import { command, openWorkbench, type Workbench } from "../tests/fault/workbench.ts";
import { randomFrom } from "../tests/support/random.ts";

const PAGE = new URL("../docs/crash-matrix.md", import.meta.url);

/** Enough for each row, and no more than a quarter of an hour on two processors. */
const EXTENT = { depth: 24, limits: 24, most: 40 };

async function runMatrix(bench: Workbench, names: readonly OperationName[]): Promise<MatrixRun> {
  const seed = Number(Deno.env.get("FOLDLOG_TEST_SEED") ?? Date.now() % 2 ** 31);
  const random = randomFrom(seed);
  const startedAt = performance.now();
  const minutesSince = () => Math.ceil((performance.now() - startedAt) / 60_000);
  const noMount = await whyNoMount(bench.directory);
  const trials: Trial[] = [];
  let calls = 0;
  for (const operation of names) {
    const options = { ...EXTENT, mounts: noMount === undefined, random };
    const experiments = await experimentsWith(bench, operation, options);
    calls += experiments.calls;
    await runExperiments(experiments.all, (trial) => {
      trials.push(trial);
      const complaint = complaintOf(trial);
      if (complaint !== undefined) console.log(complaint);
    });
    console.log(`${operation}: ${trials.length} faults so far, ${minutesSince()} minutes`);
  }
  return {
    trials,
    calls,
    command: "deno task crash-matrix",
    date: new Date().toISOString().slice(0, 10),
    machine: `${Deno.build.arch}, ${Deno.build.os}, ${navigator.hardwareConcurrency} processors`,
    versions: [`Deno ${Deno.version.deno}`, await straceVersion()],
    seed,
    minutes: minutesSince(),
    ...(noMount !== undefined && { noMount }),
  };
}

async function straceVersion(): Promise<string> {
  const said = await command("strace", "--version");
  return `strace ${/version (\S+)/.exec(said)?.[1] ?? "of an unknown version"}`;
}

function namesOf(args: readonly string[]): readonly OperationName[] {
  const known = Object.keys(operations) as OperationName[];
  const unknown = args.filter((name) => !known.some((one) => one === name));
  if (unknown.length > 0) {
    console.error(`There is no operation "${unknown[0]}": expected ${known.join(", ")}.`);
    Deno.exit(2);
  }
  return args.length === 0 ? known : known.filter((name) => args.includes(name));
}

if (import.meta.main) {
  const names = namesOf(Deno.args);
  const bench = await openWorkbench();
  let run: MatrixRun;
  try {
    run = await runMatrix(bench, names);
  } finally {
    await bench.close();
  }
  console.log(matrixTable(run.trials));
  if (Deno.args.length === 0) {
    await Deno.writeTextFile(PAGE, crashMatrixPage(run));
    await command(Deno.execPath(), "fmt", "--quiet", PAGE.pathname);
  }
  Deno.exit(complaintsOf(run.trials).length === 0 ? 0 : 1);
}
