import * as E from "fp-ts/Either.js";
import { fileStore } from "../src/adapters/file_store.ts";
import { readRun } from "../src/app/reading/read_run.ts";
import { canonicalJson } from "../src/codec/canonical_json.ts";
import { encodeEvent } from "../src/codec/event_codec.ts";
import { isTrainingFact } from "../src/core/event.ts";
import type { RecordedEvent } from "../src/core/recorded_event.ts";
import { backendsHere } from "./backends.ts";
import { median, type Row } from "./row.ts";

/** Steps between snapshots; a plan has three times as many. Fewer where a software adapter is slow. */
const SAVE_EVERY: Readonly<Record<string, number>> = { wasm: 10, webgpu: 5 };

/** How a run is interrupted: after which steps, and whether it is killed or paused there. */
interface Pattern {
  readonly name: string;
  readonly kind: "paused" | "killed";
  readonly steps: readonly number[];
}

function patternsOf(every: number): readonly Pattern[] {
  return [
    { name: "paused between snapshots", kind: "paused", steps: [every + 2] },
    { name: "killed after a snapshot", kind: "killed", steps: [every + 1] },
    { name: "killed before a snapshot", kind: "killed", steps: [2 * every - 1] },
    { name: "killed before the first", kind: "killed", steps: [every - 2] },
    { name: "killed three times", kind: "killed", steps: [every - 3, every + 2, 2 * every + 3] },
  ];
}

/**
 * Interrupts real processes that train the default recipe and lets the same command go on: whether
 * the result has the bits of a run left alone, what was recomputed, and how long it takes from the
 * start of the process to its first new step, in steps of the run left alone.
 */
export async function resumeBench(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const backend of await backendsHere()) {
    const root = await Deno.makeTempDir();
    const alone = await trainToEnd(root, backend, "alone");
    const stepTime = median(
      stepTimes(alone).slice(1).map((time, index) => time - stepTimes(alone)[index]!),
    );
    for (const pattern of patternsOf(saveEvery(backend))) {
      rows.push(await measure(root, backend, pattern, alone, stepTime));
    }
    await Deno.remove(root, { recursive: true });
  }
  return rows;
}

async function measure(
  root: string,
  backend: string,
  { name, kind, steps }: Pattern,
  alone: readonly RecordedEvent[],
  stepTime: number,
): Promise<Row> {
  const run = name.replaceAll(/[^a-z0-9]+/g, "-");
  const waits: number[] = [];
  let recomputed = 0;
  let startedAt = Date.now();
  for (const step of steps) {
    if (kind === "paused") await finish(start(root, backend, run, ["--until", String(step)]));
    else await killAt(start(root, backend, run), root, run, step);
    const before = await eventsOf(root, run);
    startedAt = Date.now();
    const head = lastStep(before);
    recomputed += head - lastSnapshot(before);
  }
  const whole = await trainToEnd(root, backend, run);
  const last = whole.at(-1)!.session;
  const first = whole.find(({ session, event }) => session === last && event.type === "StepTaken");
  waits.push(Date.parse(first?.recordedAt ?? "") - startedAt);
  const seconds = median(waits) / 1000;
  return {
    subject: "resume",
    case: name,
    backend,
    value: seconds,
    unit: "s to first new step",
    peer: "one step",
    ratio: seconds * 1000 / stepTime,
    better: "lower",
    equalBits: facts(whole) === facts(alone),
    recomputed,
  };
}

function saveEvery(backend: string): number {
  return SAVE_EVERY[backend] ?? 10;
}

function start(
  root: string,
  backend: string,
  run: string,
  more: readonly string[] = [],
): Deno.ChildProcess {
  const args = [
    "run",
    "--no-prompt",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    new URL("../src/cli/main.ts", import.meta.url).pathname,
    "train",
    "--runs",
    root,
    "--run",
    run,
    "--backend",
    backend,
    "--json",
    "--resume",
    "auto",
    "--set",
    `steps.max=${3 * saveEvery(backend)}`,
    "--save-every",
    String(saveEvery(backend)),
    "--set",
    "evaluate.every=0",
    ...more,
  ];
  return new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" }).spawn();
}

async function finish(process: Deno.ChildProcess): Promise<void> {
  const { success, code } = await process.status;
  if (!success) throw new Error(`The training exited with ${code}`);
}

async function trainToEnd(
  root: string,
  backend: string,
  run: string,
): Promise<readonly RecordedEvent[]> {
  await finish(start(root, backend, run));
  return await eventsOf(root, run);
}

/** Kills the process with SIGKILL as soon as its log has the step. */
async function killAt(
  process: Deno.ChildProcess,
  root: string,
  run: string,
  step: number,
): Promise<void> {
  while (lastStep(await eventsOf(root, run)) < step) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.kill("SIGKILL");
  await process.status;
}

async function eventsOf(root: string, run: string): Promise<readonly RecordedEvent[]> {
  const read = await readRun(fileStore(root), run)();
  if (E.isRight(read)) return read.right.events;
  if (read.left.type === "RunMissing") return [];
  throw new Error(JSON.stringify(read.left));
}

function lastStep(events: readonly RecordedEvent[]): number {
  const last = events.findLast(({ event }) => event.type === "StepTaken")?.event;
  return last?.type === "StepTaken" ? last.data.step : 0;
}

function lastSnapshot(events: readonly RecordedEvent[]): number {
  const last = events.findLast(({ event }) => event.type === "SnapshotTaken")?.event;
  return last?.type === "SnapshotTaken" ? last.data.step : 0;
}

function stepTimes(events: readonly RecordedEvent[]): readonly number[] {
  return events.filter(({ event }) => event.type === "StepTaken")
    .map(({ recordedAt }) => Date.parse(recordedAt));
}

/** The training facts, which commit to the weights by the digests of every snapshot. */
function facts(events: readonly RecordedEvent[]): string {
  return events.filter(({ event }) => isTrainingFact(event))
    .map(({ event }) => canonicalJson(encodeEvent(event))).join("\n");
}
