import { sha256 } from "../../codec/digest.ts";
import { foldIn, key } from "../../core/rng_key.ts";
import { type SampleFile, sampleNameFlaw } from "../../core/sample_files.ts";
import type { Device } from "../../ports/device.ts";
import type { TrainState } from "../../train/train_state.ts";
import type { Plan } from "./plan.ts";
import type { Loop } from "./step_loop.ts";

/** The samples of a step, and their bytes in the same order. */
export interface TakenSamples {
  readonly step: number;
  readonly samples: readonly SampleFile[];
  readonly files: readonly Uint8Array[];
}

/**
 * The samples that a task makes of a state, which is borrowed: undefined where it makes none of any.
 * Throws a RangeError where they have names that samples cannot have.
 */
export async function takeSamples(
  { task, config }: Plan,
  device: Device,
  { step, params, ema }: TrainState,
): Promise<TakenSamples | undefined> {
  if (task.artifacts === undefined) return undefined;
  const root = foldIn(key(config.seed), "artifacts");
  const made = await task.artifacts(ema ?? params, root, device, step);
  const flaw = sampleNameFlaw(step, made.map(({ name }) => name));
  if (flaw !== undefined) {
    throw new RangeError(`${flaw}: name it otherwise in the task's artifacts`);
  }
  const files = made.map(({ bytes }) => bytes);
  const samples = made.map(({ name, bytes }) => {
    return { name, digest: sha256(bytes), bytes: bytes.length };
  });
  return { step, samples, files };
}

/**
 * Stores samples and records them: their bytes are durable, and shown, before the event that names them
 * is. Where the log has them already they are compared, and stored again: they may be missing or damaged.
 */
export async function recordSamples(loop: Loop, taken: TakenSamples): Promise<void> {
  const { env: { store, reporter }, run, recorder, get } = loop;
  const { step, samples, files } = taken;
  const record = () => recorder.record({ type: "RecordSamples", data: { step, samples } });
  if (!recorder.writes) return await record();
  const isRecorded = recorder.next() !== undefined;
  if (isRecorded) await record();
  const { release } = await get(store.sources.put(files));
  try {
    await get(store.samples.show(run, samples));
    if (isRecorded) return;
    await record();
    await recorder.flush();
  } finally {
    release();
  }
  reporter?.report({ type: "Sampled", run, step, samples });
}
