import type { Backend } from "../src/adapters/device/backend_choice.ts";
import { memoryStore } from "../src/adapters/memory/memory_store.ts";
import { openDevice } from "../src/adapters/device/tfjs_backend.ts";
import { orThrow } from "../src/app/errors/or_throw.ts";
import { trainRun } from "../src/app/training/train_run.ts";
import { mergeConfig } from "../src/core/config.ts";
import type { Device } from "../src/ports/device.ts";
import { mobyGpt } from "../src/recipes/moby_gpt.ts";
import { backendsHere } from "./backends.ts";
import { median, type Row } from "./row.ts";

const EVERY = [0, 1, 10];

/** Rounds in which each has one run of so many steps; those of the first do not count, nor WARM_UP. */
const ROUNDS = 6;
const STEPS: Readonly<Record<string, number>> = { wasm: 44, webgpu: 24 };
const WARM_UP = 4;

/**
 * What fingerprints cost: a step of the default recipe in a whole training, its log in memory, with a
 * fingerprint at every step and at every tenth, in turns.
 *
 * At every tenth, which is the default, the ratio is to be 1.02 at most. Where a machine is too noisy to
 * tell, a tenth of what one at every step costs says the same more finely.
 */
export async function fingerprintBench(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const backend of await backendsHere()) rows.push(...await measure(backend));
  return rows;
}

async function measure(backend: Backend): Promise<readonly Row[]> {
  const device = await orThrow(openDevice(backend));
  const times = new Map(EVERY.map((every) => [every, [] as number[]]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [every, found] of times) found.push(await stepOf(device, backend, every));
  }
  const counted = (every: number) => times.get(every)!.slice(1);
  return EVERY.slice(1).map((every) => ({
    subject: "fingerprint",
    case: `fingerprint.every ${every}`,
    backend,
    value: median(counted(every)),
    unit: "ms a step",
    peer: "none",
    peerValue: median(counted(0)),
    ratio: median(counted(every).map((time, round) => time / counted(0)[round]!)),
    better: "lower",
  }));
}

/** Milliseconds of a step of a training, after the first few. */
async function stepOf(device: Device, backend: Backend, every: number): Promise<number> {
  const steps = STEPS[backend] ?? 24;
  const config = mergeConfig(mobyGpt.config, {
    steps: { max: steps },
    save: { every: 0 },
    evaluate: { every: 0 },
    fingerprint: { every },
  });
  const { sample: _, ...task } = await mobyGpt.task(config);
  let [first, last] = [0, 0];
  const report = (notice: { readonly type: string; readonly step?: number }) => {
    if (notice.type !== "Step") return;
    if (notice.step === WARM_UP) first = performance.now();
    if (notice.step === steps) last = performance.now();
  };
  await orThrow(
    trainRun({ store: memoryStore(), device, reporter: { report } }, "a", task, { config }),
  );
  return (last - first) / (steps - WARM_UP);
}
