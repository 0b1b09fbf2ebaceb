import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Backend } from "../src/adapters/device/backend_choice.ts";
import { fileStore } from "../src/adapters/file_store.ts";
import { openDevice } from "../src/adapters/device/tfjs_backend.ts";
import { trainRun } from "../src/app/training/train_run.ts";
import { mergeConfig } from "../src/core/config.ts";
import type { Device } from "../src/ports/device.ts";
import type { Store } from "../src/ports/store.ts";
import { mobyGpt } from "../src/recipes/moby_gpt.ts";
import { backendsHere } from "./backends.ts";
import type { Row } from "./row.ts";

const STEPS: Readonly<Record<string, number>> = { wasm: 100, webgpu: 50 };

/**
 * What the log and the snapshots cost a step of the default recipe, with a snapshot every 50 steps:
 * the time spent in appends and in reading states back, as a share of all. Storing a snapshot is done
 * beside the loop, which goes on meanwhile: it has a row of its own and is not in the sum.
 */
export async function overheadBench(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const backend of await backendsHere()) rows.push(...await measure(backend));
  return rows;
}

async function measure(backend: Backend): Promise<readonly Row[]> {
  const steps = STEPS[backend] ?? 50;
  const opened = await openDevice(backend)();
  if (E.isLeft(opened)) throw new Error(opened.left.reason);
  const root = await Deno.makeTempDir();
  const spent = { append: 0, read: 0, put: 0 };
  const env = {
    store: timedStore(fileStore(root), spent),
    device: timedDevice(opened.right, spent),
  };
  const config = mergeConfig(mobyGpt.config, {
    steps: { max: steps },
    save: { every: 50 },
    evaluate: { every: 0 },
  });
  const { sample: _, ...task } = await mobyGpt.task(config);
  const start = performance.now();
  const outcome = await trainRun(env, "overhead", task, { config })();
  const total = performance.now() - start;
  await Deno.remove(root, { recursive: true });
  if (E.isLeft(outcome)) throw new Error(JSON.stringify(outcome.left));
  const row = (name: string, milliseconds: number): Row => ({
    subject: "overhead",
    case: name,
    backend,
    value: milliseconds / steps,
    unit: "ms a step",
    peer: "the step's time",
    ratio: milliseconds / total,
    better: "lower",
  });
  return [
    row("log (append, durable)", spent.append),
    row("snapshots (read back)", spent.read),
    row("log and snapshots", spent.append + spent.read),
    row("beside the loop (hash, write, sync)", spent.put),
  ];
}

interface Spent {
  append: number;
  read: number;
  put: number;
}

function timedStore({ log, snapshots, ...others }: Store, spent: Spent): Store {
  return {
    ...others,
    log: {
      ...log,
      open: (run) => async () => {
        const opened = await log.open(run)();
        if (E.isLeft(opened)) return opened;
        const writer = opened.right;
        const append: typeof writer.append = (...args) =>
          timed(writer.append(...args), spent, "append");
        return E.right({ ...writer, append });
      },
    },
    snapshots: { ...snapshots, put: (...args) => timed(snapshots.put(...args), spent, "put") },
  };
}

/**
 * The metrics of a step are two numbers; every other tensor is read for a snapshot. Reads of one
 * snapshot overlap: the time counts in which at least one is under way. No steps are dispatched ahead:
 * what is waited for would else have their time in it.
 */
function timedDevice(device: Device, spent: Spent): Device {
  let underWay = 0;
  let start = 0;
  return {
    ...device,
    stepsAhead: 0,
    read: async (tensor, reuse) => {
      if (tensor.size === 2) return await device.read(tensor);
      if (underWay++ === 0) start = performance.now();
      const read = await device.read(tensor, reuse);
      if (--underWay === 0) spent.read += performance.now() - start;
      return read;
    },
  };
}

function timed<F, A>(work: TaskEither<F, A>, spent: Spent, what: keyof Spent): TaskEither<F, A> {
  return async () => {
    const start = performance.now();
    const result = await work();
    spent[what] += performance.now() - start;
    return result;
  };
}
