import * as E from "fp-ts/Either.js";
import { batchDigest, differingLeaves, packSnapshot } from "../codec/snapshot_codec.ts";
import { sha256 } from "../codec/digest.ts";
import { advance, type DataCursor, samplesAt } from "../core/data_cursor.ts";
import type { SnapshotReason, StepTaken } from "../core/event.ts";
import type { RunId } from "../core/run_id.ts";
import { type Await, fail } from "../ports/attempt.ts";
import type { Device } from "../ports/device.ts";
import type { RunEnv } from "../ports/run_env.ts";
import type { HostBatch } from "../train/loss.ts";
import { release } from "../train/ownership.ts";
import { tensorsOf, type TrainState } from "../train/train_state.ts";
import { type DeviceMetrics, trainStep } from "../train/train_step.ts";
import type { RunError } from "./errors.ts";
import { evaluate } from "./evaluate.ts";
import type { Plan } from "./plan.ts";
import { divergence, type Recorder } from "./recorder.ts";
import { snapshotOf } from "./state_snapshot.ts";

/** What a stretch of steps works with. */
export interface Loop {
  readonly env: RunEnv;
  readonly run: RunId;
  readonly plan: Plan;
  readonly recorder: Recorder;
  readonly get: Await<RunError>;
}

/**
 * Takes steps from `start` up to step `end`, or until `stop` says so after a step, and records each.
 *
 * Takes over `start` and gives its last state to the caller: the only place where a state is freed.
 */
export async function takeSteps(
  loop: Loop,
  start: TrainState,
  end: number,
  stop: () => boolean = () => false,
): Promise<TrainState> {
  const { env, plan, recorder } = loop;
  let state = start;
  try {
    await comparePausedHere(loop, state);
    while (state.step < end && !stop()) {
      const { cursor } = recorder.state();
      const batches = await ofTask(state.step, () => nextBatches(plan, cursor));
      const next = await ofTask(state.step, () => trainStep(plan.training, state, batches));
      release(tensorsOf(state), tensorsOf(next.state));
      state = next.state;
      const metrics = await readMetrics(env.device, next.metrics);
      const recorded = recorder.next() === undefined;
      const data = { step: state.step, ...stepData(plan, cursor, batches), ...metrics };
      await recorder.record({ type: "RecordStep", data });
      const { loss, learningRate } = metrics;
      const maxSteps = plan.config.steps.max;
      env.reporter?.report({
        type: "Step",
        step: state.step,
        maxSteps,
        loss,
        learningRate,
        recorded,
      });
      if (recorder.ended()) return state;
      await evaluateIfDue(loop, state);
      if (recorder.ended()) return state;
      await saveIfDue(loop, state);
    }
    return state;
  } catch (error) {
    release(tensorsOf(state));
    throw error;
  }
}

/**
 * Stores a snapshot of the state and records it. Where the log has it already, it is compared, and
 * stored again: it may be missing or damaged.
 */
export async function save(
  { env, run, plan, recorder, get }: Loop,
  state: TrainState,
  reason: SnapshotReason,
): Promise<void> {
  const { cursor } = recorder.state();
  const snapshot = await snapshotOf(env.device, plan.task.name, state, cursor);
  const recorded = recorder.next();
  if (recorded !== undefined) {
    const { id, manifest } = packSnapshot(snapshot);
    const data = { step: state.step, snapshot: id, state: manifest.state, reason };
    if (recorded.type === "SnapshotTaken" && recorded.data.state !== manifest.state) {
      const before = await env.store.snapshots.manifest(recorded.data.snapshot)();
      const leaves = E.isRight(before) ? differingLeaves(before.right.leaves, manifest.leaves) : [];
      fail(divergence(recorded, { type: "SnapshotTaken", data }, state.step, leaves));
    }
    await recorder.record({ type: "RecordSnapshot", data });
    if (recorder.writes) await get(env.store.snapshots.put(run, snapshot));
    return;
  }
  const { id, manifest } = await get(env.store.snapshots.put(run, snapshot));
  const data = { step: state.step, snapshot: id, state: manifest.state, reason };
  await recorder.record({ type: "RecordSnapshot", data });
  env.reporter?.report({ type: "Saved", step: state.step, snapshot: id });
}

/** The micro-batches of the step that begins at `cursor`. */
async function nextBatches(
  { task, config, dataKey }: Plan,
  cursor: DataCursor,
): Promise<readonly HostBatch[]> {
  const { size, micro } = config.batch;
  const { samples } = task.data.identity;
  const numbers = samplesAt(cursor, size, samples, dataKey, config.data.shuffle);
  const batches: HostBatch[] = [];
  for (let from = 0; from < size; from += micro) {
    batches.push(await task.data.at(numbers.slice(from, from + micro)));
  }
  return batches;
}

/** Reads the metrics of a step back and frees them. */
async function readMetrics(
  device: Device,
  { values, learningRate }: DeviceMetrics,
): Promise<Pick<StepTaken["data"], "loss" | "gradNorm" | "learningRate">> {
  const { data } = await device.read(values).finally(() => release(values));
  return { loss: data[0]!, gradNorm: data[1]!, learningRate };
}

function stepData(
  { task, config }: Plan,
  cursor: DataCursor,
  batches: readonly HostBatch[],
): Pick<StepTaken["data"], "epoch" | "index" | "batch"> {
  const after = advance(cursor, config.batch.size, task.data.identity.samples);
  return { ...after, batch: sha256(...batches.map(batchDigest)) };
}

async function evaluateIfDue(loop: Loop, state: TrainState): Promise<void> {
  const { env, plan, recorder } = loop;
  const { every } = plan.config.evaluate;
  const last = state.step === plan.config.steps.max;
  if (every === 0 || (state.step % every !== 0 && !last)) return;
  const result = await ofTask(state.step, () => evaluate(plan, env.device, state.params));
  if (result === undefined) return;
  await recorder.record({ type: "RecordEvaluation", data: { step: state.step, ...result } });
  env.reporter?.report({ type: "Evaluated", step: state.step, loss: result.loss });
}

async function saveIfDue(loop: Loop, state: TrainState): Promise<void> {
  const due = loop.plan.saveAt(state.step);
  if (due !== undefined) await save(loop, state, due);
  else await comparePausedHere(loop, state);
}

/** A snapshot that a pause took here once is compared like any other. */
async function comparePausedHere(loop: Loop, state: TrainState): Promise<void> {
  const next = loop.recorder.next();
  if (next?.type === "SnapshotTaken" && next.data.step === state.step) {
    await save(loop, state, next.data.reason);
  }
}

/** Runs the user's code; what it throws is a failure of the task, with the step it happened after. */
export async function ofTask<A>(step: number, work: () => A | Promise<A>): Promise<A> {
  try {
    return await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return fail({ type: "TaskFailed", step, message } satisfies RunError);
  }
}
