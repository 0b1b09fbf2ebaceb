import type { Backend } from "../src/adapters/device/backend_choice.ts";
import { fileStore } from "../src/adapters/file_store.ts";
import { openDevice } from "../src/adapters/device/tfjs_backend.ts";
import { orThrow } from "../src/app/errors/or_throw.ts";
import { replayRun } from "../src/app/replay/replay_run.ts";
import { trainRun } from "../src/app/training/train_run.ts";
import type { VerifyReport } from "../src/app/upkeep/verify_run.ts";
import { mergeConfig } from "../src/core/config.ts";
import type { RunEnv } from "../src/ports/run_env.ts";
import type { Task } from "../src/ports/task.ts";
import { mobyGpt } from "../src/recipes/moby_gpt.ts";
import { segmentWorkers } from "../src/workers/segment_workers.ts";
import { backendsHere } from "./backends.ts";
import { median, type Row } from "./row.ts";

/** Steps of the run, which has eight segments. */
const STEPS: Readonly<Record<string, number>> = { wasm: 160, webgpu: 24 };
const SEGMENTS = 8;

/** Each is measured so often, one after the other, since a shared machine is never twice as fast. */
const ROUNDS = 3;

/**
 * How fast a run of the default recipe is recomputed: against its training, in the same process, which
 * writes a log and snapshots besides; and by workers, against one thread that does it alone. All times are
 * whole: with the check of the run's integrity, and with what it takes to start the workers.
 */
export async function replayBench(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const backend of await backendsHere()) rows.push(...await measure(backend));
  return rows;
}

async function measure(backend: Backend): Promise<readonly Row[]> {
  const steps = STEPS[backend] ?? 24;
  const root = await Deno.makeTempDir();
  const env = { store: fileStore(root), device: await orThrow(openDevice(backend)) };
  const config = mergeConfig(mobyGpt.config, {
    steps: { max: steps },
    save: { every: steps / SEGMENTS },
    evaluate: { every: 0 },
  });
  const { sample: _, ...task } = await mobyGpt.task(config);
  const times: Record<"training" | 0 | 1 | 2, number[]> = { training: [], 0: [], 1: [], 2: [] };
  try {
    await orThrow(trainRun(env, "warm-up", task, { config, until: 4 }));
    for (let round = 0; round < ROUNDS; round++) {
      const run = `round-${round}`;
      times.training.push(await timed(() => orThrow(trainRun(env, run, task, { config }))));
      for (const workers of [0, 1, 2] as const) {
        times[workers].push(await timed(() => replay(env, root, run, task, backend, workers)));
      }
    }
  } finally {
    await Deno.remove(root, { recursive: true });
  }
  const row = (name: string, peer: string, value: readonly number[], peers: readonly number[]) => ({
    subject: "replay",
    case: name,
    backend,
    value: steps / (median(value) / 1000),
    unit: "steps/s",
    peer,
    peerValue: steps / (median(peers) / 1000),
    ratio: median(peers) / median(value),
    better: "higher" as const,
  });
  return [
    row("in this thread", "training", times[0], times.training),
    row("1 worker", "in this thread", times[1], times[0]),
    row("2 workers", "in this thread", times[2], times[0]),
    row("2 workers", "1 worker", times[2], times[1]),
  ];
}

/** Recomputes a run by so many workers; with none, in this thread. */
async function replay(
  env: RunEnv,
  root: string,
  run: string,
  task: Task,
  backend: Backend,
  count: number,
): Promise<void> {
  const source = {
    module: import.meta.resolve("../src/recipes/recipe_task.ts"),
    export: "recipeTask",
  };
  const workers = count === 0 ? undefined : segmentWorkers({ root, backend, task: source, count });
  try {
    const report: VerifyReport = await orThrow(
      replayRun(env, run, task, { ...(workers && { workers }) }),
    );
    if (!report.ok) throw new Error(report.problems.map(({ message }) => message).join("\n"));
  } finally {
    await workers?.close();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
