import type { Backend } from "../src/adapters/device/backend_choice.ts";
import { memoryStore } from "../src/adapters/memory/memory_store.ts";
import { openDevice } from "../src/adapters/device/tfjs_backend.ts";
import type { RunError } from "../src/app/errors/errors.ts";
import { orThrow } from "../src/app/errors/or_throw.ts";
import { reachState } from "../src/app/replay/reach_state.ts";
import { readRun } from "../src/app/reading/read_run.ts";
import { trainRun } from "../src/app/training/train_run.ts";
import { mergeConfig } from "../src/core/config.ts";
import { attempt } from "../src/ports/attempt.ts";
import type { RunEnv } from "../src/ports/run_env.ts";
import type { Task } from "../src/ports/task.ts";
import { mobyGpt } from "../src/recipes/moby_gpt.ts";
import { release } from "../src/train/ownership.ts";
import { tensorsOf } from "../src/train/train_state.ts";
import { backendsHere } from "./backends.ts";
import { median, type Row } from "./row.ts";

/** Steps from the snapshot to the state that is asked for. Fewer where a software adapter is slow. */
const DISTANCES: Readonly<Record<string, readonly number[]>> = {
  wasm: [0, 1, 4, 16, 48],
  webgpu: [0, 1, 4, 8],
};

const ROUNDS = 5;

/**
 * How long it takes to have a state of the default recipe back that lies so many steps past a snapshot, all
 * compared on the way: in milliseconds, and as a ratio to training as many steps in the same process (to one
 * step where there are none).
 */
export async function distanceBench(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const backend of await backendsHere()) rows.push(...await measure(backend));
  return rows;
}

async function measure(backend: Backend): Promise<readonly Row[]> {
  const distances = DISTANCES[backend] ?? [0, 1];
  const most = Math.max(...distances);
  const env = { store: memoryStore(), device: await orThrow(openDevice(backend)) };
  const config = mergeConfig(mobyGpt.config, {
    steps: { max: 2 * most },
    save: { every: most },
    evaluate: { every: 0 },
  });
  const { sample: _, ...task } = await mobyGpt.task(config);
  const start = performance.now();
  await orThrow(trainRun(env, "run", task, { config }));
  const stepTime = (performance.now() - start) / (2 * most);
  const rows: Row[] = [];
  for (const distance of distances) {
    const times: number[] = [];
    const step = most + (distance === most ? distance - 1 : distance);
    for (let round = 0; round < ROUNDS; round++) times.push(await reach(env, task, step));
    const value = median(times);
    const peerValue = stepTime * Math.max(1, step - most);
    rows.push({
      subject: "distance",
      case: `${step - most} steps past a snapshot`,
      backend,
      value,
      unit: "ms",
      peer: step === most ? "training 1 step" : `training ${step - most} steps`,
      peerValue,
      ratio: value / peerValue,
      better: "lower",
      recomputed: step - most,
    });
  }
  return rows;
}

/** Milliseconds that it takes to reach a state, from the log on. */
async function reach(env: RunEnv, task: Task, step: number): Promise<number> {
  const start = performance.now();
  const reached = await orThrow(attempt<RunError, Awaited<ReturnType<typeof reachState>>>(
    async (get) => await reachState(env, await get(readRun(env.store, "run")), task, step, get),
  ));
  const time = performance.now() - start;
  release(tensorsOf(reached.state));
  return time;
}
