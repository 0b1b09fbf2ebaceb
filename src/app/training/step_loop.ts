import { batchDigest } from "../../codec/snapshot_codec.ts";
import { sha256 } from "../../codec/digest.ts";
import { differingTensors } from "../../codec/state_fingerprint.ts";
import { grainOf } from "../../core/config.ts";
import { planEnds } from "../../core/plan_ends.ts";
import type { DataCursor } from "../../core/data_cursor.ts";
import { isStep, type SnapshotReason, stepEvent, type StepTaken } from "../../core/event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { type Await, fail } from "../../ports/attempt.ts";
import type { Device } from "../../ports/device.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { HostBatch } from "../../train/loss.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf, type TrainState } from "../../train/train_state.ts";
import { type DeviceMetrics, trainStep } from "../../train/train_step.ts";
import type { RunError } from "../errors/errors.ts";
import { evaluate } from "./evaluate.ts";
import { failWithoutMemory } from "./in_device_memory.ts";
import { fingerprintState, type NamedFingerprint } from "./fingerprint_state.ts";
import { type Journal, openJournal } from "./journal.ts";
import type { Plan } from "./plan.ts";
import { divergence, type Recorder } from "./recorder.ts";
import type { Retention } from "./retain_snapshots.ts";
import { dueByTime, type SavePace } from "./save_pace.ts";
import { compareSnapshot, readSnapshot, storeSnapshot } from "./save_snapshot.ts";
import { holdStates, type StateHolder } from "./state_holder.ts";
import type { ReadBefore } from "./state_snapshot.ts";
import { openStepsAhead } from "./steps_ahead.ts";
import { recordSamples, takeSamples } from "./take_samples.ts";

/** What a stretch of steps works with. */
export interface Loop {
  readonly env: RunEnv;
  readonly run: RunId;
  readonly plan: Plan;
  readonly recorder: Recorder;
  /** Whether a snapshot that was compared is stored again, in case it is missing or damaged. */
  readonly heals: (snapshot: SnapshotId) => boolean;
  /** What is kept of the snapshots; all of them without it. */
  readonly retention?: Retention;
  /** Shown every step once it is compared; the loop waits. Not for a loop that takes steps ahead. */
  readonly watch?: (step: WatchedStep) => Promise<void>;
  /** Times the snapshots that are spaced by measured time. */
  readonly pace?: SavePace;
  readonly get: Await<RunError>;
}

/** A step as it was taken. Its tensors are borrowed, until what it is shown to settles. */
export interface WatchedStep {
  readonly plan: Plan;
  readonly before: TrainState;
  readonly after: TrainState;
  /** The grains of its batch, in order. */
  readonly batches: readonly HostBatch[];
  /** The numbers of its samples, in order. */
  readonly samples: readonly number[];
}

/**
 * Takes steps from `start` up to step `end`, until the plan ends, or until `stop` says so after a step,
 * and records each.
 *
 * At the head of the log up to `device.stepsAhead` steps are dispatched before an earlier one is read
 * back and recorded, always in order. Where the log has the step already, it is compared before the next
 * one begins, so that the first difference stops the loop.
 *
 * Takes over `start` and gives its last state to the caller: the only place where a state is freed.
 * When it returns, all of its events are appended and the last snapshot is durable.
 */
export async function takeSteps(
  loop: Loop,
  start: TrainState,
  end: number,
  stop: () => boolean = () => false,
): Promise<TrainState> {
  const { plan, recorder, watch } = loop;
  const journal = openJournal();
  const ahead = openStepsAhead(journal);
  const states = holdStates();
  const save = saver(loop, journal, states);
  let state = start;
  try {
    await save(state, undefined);
    let { cursor } = recorder.state();
    while (state.step < end && !stop() && !planEnds(recorder.state())) {
      const before = cursor;
      const batches = await ofTask(state.step, () => nextBatches(plan, before));
      const next = await ofTask(state.step, () => trainStep(plan.training, state, batches));
      const previous = state;
      state = next.state;
      if (watch === undefined) states.replace(previous, state);
      const reading = readStep(loop, state, next.metrics);
      cursor = plan.order.advance(cursor, plan.config.batch.size);
      const batch = sha256(...batches.map(batchDigest));
      const place = { step: state.step, ...cursor, batch };
      try {
        await ahead.add(
          reading,
          stepsAhead(loop),
          ([metrics, taken]) => recordStep(loop, { ...place, ...metrics }, taken),
        );
        if (watch !== undefined) {
          const samples = plan.order.samplesAt(before, plan.config.batch.size);
          await watch({ plan, before: previous, after: state, batches, samples });
        }
      } finally {
        if (watch !== undefined) states.replace(previous, state);
      }
      if (recorder.ended()) break;
      await evaluateIfDue(loop, journal, state);
      if (recorder.ended()) break;
      const due = plan.saveAt(state.step) ?? dueAsBest(loop, state.step) ??
        dueByTime(loop, state.step);
      await save(state, planEnds(recorder.state()) ? "final" : due);
    }
    await journal.drain();
    return state;
  } catch (error) {
    try {
      await journal.drain(); // what failed before it, failed first
    } finally {
      await ahead.settle();
      release(tensorsOf(state));
    }
    throw error;
  }
}

/** How many steps may be under way: none beside one that the log has already. */
function stepsAhead({ env, recorder }: Loop): number {
  const compares = recorder.next() !== undefined || !recorder.writes;
  return compares ? 0 : env.device.stepsAhead ?? 0;
}

/**
 * Records a step, and then tells people of it. Fails with Diverged where the log has another fingerprint
 * of the state, and names the tensors that differ.
 */
async function recordStep(
  { env, plan, recorder }: Loop,
  measured: Omit<StepTaken["data"], "fingerprint">,
  taken: NamedFingerprint | undefined,
): Promise<void> {
  const before = recorder.next();
  const recorded = before === undefined;
  const data = { ...measured, ...(taken && { fingerprint: taken.fingerprint }) };
  if (taken !== undefined && before && isStep(before) && before.data.fingerprint) {
    const leaves = differingTensors(taken.tensors, before.data.fingerprint, taken.fingerprint);
    if (leaves.length > 0) fail(divergence(before, stepEvent(data), data.step, leaves));
  }
  await recorder.record({ type: "RecordStep", data });
  const { step, loss, learningRate, lossScale } = data;
  const maxSteps = plan.config.steps.max;
  env.reporter?.report({ type: "Step", step, maxSteps, loss, learningRate, recorded });
  if (stepEvent(data).type === "StepSkipped") {
    env.reporter?.report({ type: "Skipped", step, lossScale: lossScale! });
  }
}

/**
 * Saves states where that is due, beside the loop: while one is read back, hashed and written, the next
 * steps are taken already, and their events wait for its event. Where one is due before the last is
 * durable, the loop waits. Where the log has the snapshot already, it is compared.
 */
function saver(
  loop: Loop,
  journal: Journal,
  states: StateHolder,
): (state: TrainState, due: SnapshotReason | undefined) => Promise<void> {
  const { recorder } = loop;
  let spare: ReadBefore | undefined;

  async function storeAside(state: TrainState, reason: SnapshotReason): Promise<void> {
    const saved = loop.pace?.saving();
    await journal.drain();
    const letGo = states.hold(state);
    const reading = readSnapshot(loop, state, spare).finally(letGo);
    saved?.();
    spare = undefined;
    journal.addAside(async () => {
      const groups = await storeSnapshot(loop, await reading, reason);
      spare = groups && { groups, state };
    });
  }

  return async (state, due) => {
    let next = recorder.next();
    if (next === undefined) {
      if (due !== undefined) await storeAside(state, due);
    } else if (next.type === "SnapshotTaken" && next.data.step === state.step) {
      while (next?.type === "SnapshotTaken" && next.data.step === state.step) {
        await compareSnapshot(loop, state, next.data.reason);
        next = recorder.next();
      }
      loop.pace?.passed();
    } else if (due !== undefined && recorder.state().failedSnapshot !== state.step) {
      await compareSnapshot(loop, state, due);
    }
  };
}

/** The grains of the step that begins at `cursor`. */
async function nextBatches(
  { task, config, order }: Plan,
  cursor: DataCursor,
): Promise<readonly HostBatch[]> {
  const { size } = config.batch;
  const grain = grainOf(config);
  const numbers = order.samplesAt(cursor, size);
  const batches: HostBatch[] = [];
  for (let from = 0; from < size; from += grain) {
    batches.push(await task.data.at(numbers.slice(from, from + grain)));
  }
  return batches;
}

async function fingerprintIfDue(
  { env, plan }: Loop,
  state: TrainState,
): Promise<NamedFingerprint | undefined> {
  const { every } = plan.config.fingerprint;
  return every === 0 || state.step % every !== 0
    ? undefined
    : await fingerprintState(env.device, state);
}

/**
 * Begins to read back what is recorded of the step that led to `state`: it is all dispatched when this
 * returns, and `state`, which is borrowed until then, may be freed. Settles when nothing of it is read
 * any more.
 */
async function readStep(
  loop: Loop,
  state: TrainState,
  metrics: DeviceMetrics,
): Promise<[Metrics, NamedFingerprint | undefined]> {
  const reads = [readMetrics(loop.env.device, metrics), fingerprintIfDue(loop, state)] as const;
  await Promise.allSettled(reads);
  return await Promise.all(reads);
}

type Metrics = Pick<StepTaken["data"], "loss" | "gradNorm" | "learningRate" | "lossScale">;

/** Reads the metrics of a step back and frees them. */
async function readMetrics(
  device: Device,
  { values, learningRate }: DeviceMetrics,
): Promise<Metrics> {
  const { data } = await device.read(values).finally(() => release(values));
  const [loss, gradNorm, lossScale] = data as Float32Array;
  const measured = { loss: loss!, gradNorm: gradNorm!, learningRate };
  return lossScale === undefined ? measured : { ...measured, lossScale };
}

async function evaluateIfDue(loop: Loop, journal: Journal, state: TrainState): Promise<void> {
  const { env, plan, recorder } = loop;
  const { step } = state;
  const { every } = plan.config.evaluate;
  const last = step === plan.config.steps.max;
  if (every === 0 || (step % every !== 0 && !last)) return;
  const result = await ofTask(step, () => evaluate(plan, env.device, state));
  if (result === undefined) return;
  const samples = await ofTask(step, () => takeSamples(plan, env.device, state));
  await journal.add(async () => {
    await recorder.record({ type: "RecordEvaluation", data: { step, ...result } });
    env.reporter?.report({ type: "Evaluated", step, ...result });
    if (samples !== undefined) await recordSamples(loop, samples);
  });
  // It may be the last, or the best.
  if (plan.config.evaluate.patience > 0 || plan.config.save.best) await journal.drain();
}

/**
 * Whether the state after a step is to be saved because its evaluation is better than all before. That is
 * recorded by now; the step itself may not be where none was due.
 */
function dueAsBest({ plan, recorder }: Loop, step: number): SnapshotReason | undefined {
  const { bestEvaluation } = recorder.state();
  return plan.config.save.best && bestEvaluation?.step === step ? "best" : undefined;
}

/**
 * Runs the user's code; what it throws is a failure of the task, with the step it happened after, unless it
 * is that the device's memory is full.
 */
export async function ofTask<A>(step: number, work: () => A | Promise<A>): Promise<A> {
  try {
    return await work();
  } catch (error) {
    failWithoutMemory(step, error);
    const message = error instanceof Error ? error.message : String(error);
    return fail({ type: "TaskFailed", step, message } satisfies RunError);
  }
}
