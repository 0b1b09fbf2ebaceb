import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Digest } from "../../core/digest.ts";
import { livePath } from "../../core/live_path.ts";
import type { RunId } from "../../core/run_id.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { TaskSource } from "../../ports/task.ts";
import type { HostBatch } from "../../train/loss.ts";
import { release } from "../../train/ownership.ts";
import { type Probe, takeProbe } from "../../train/probe.ts";
import { tensorsOf } from "../../train/train_state.ts";
import type { Tree } from "../../train/tree.ts";
import type { RunError } from "../errors/errors.ts";
import { placeAt, stepAt } from "./place_in_run.ts";
import { headerLine, type ProbeProof, proofLine, readValues, stepLine } from "./probe_lines.ts";
import { reachState } from "./reach_state.ts";
import { readRun, type RecordedRun } from "../reading/read_run.ts";
import type { WatchedStep } from "../training/step_loop.ts";

/** What is asked of which steps, and where the answers go. */
export interface ProbeOptions<P extends Tree = Tree> {
  /** The first and the last step that are probed: numbers, or places by name ("best"). */
  readonly from: number | string;
  readonly to: number | string;
  readonly probe: Probe<P>;
  /**
   * Gets the lines of the projection, each without its line feed, in order; it is waited for. What it
   * throws rejects the call. Only lines that end in the proof are a whole projection (docs/format.md).
   */
  readonly write: (line: string) => void | Promise<void>;
  /** What the projection says of the probe: its name, and the digest of the file that has it. */
  readonly about?: { readonly name?: string; readonly source?: Digest };
}

/** What was probed, with the proof that it was the recorded training. */
export interface ProbeReport extends ProbeProof {
  readonly run: RunId;
  readonly from: number;
  readonly to: number;
}

/**
 * Asks a question of past steps: recomputes them from the nearest snapshot, compares all that the log says
 * of them, and shows each to `probe` once it is found equal. What that finds is written as JSON lines, and
 * at the end the proof. Writes nothing to the store.
 *
 * Fails as `reachState` does, with ProbeFailed where the probe throws or gives what cannot be written, and
 * with NoPlace where a step is none that the run took.
 */
export function probeRun<P extends Tree, B extends HostBatch>(
  env: RunEnv,
  run: RunId,
  task: TaskSource<P, B>,
  { from, to, probe, write, about = {} }: ProbeOptions<P>,
): TaskEither<RunError, ProbeReport> {
  return attempt<RunError, ProbeReport>(async (get) => {
    await env.device.activate();
    const recorded = await get(readRun(env.store, run));
    const [first, last] = stepsOf(recorded, from, to);
    const { environment } = env.device;
    await write(headerLine(recorded, { from: first, to: last, environment, about }));
    const watch = async (step: WatchedStep) => {
      if (step.after.step >= first) await write(await lineOf(env, probe as Probe, step));
    };
    const source = task as TaskSource;
    const reached = await reachState(env, recorded, source, last, get, { from: first - 1, watch });
    release(tensorsOf(reached.state));
    const { recomputation } = reached;
    const state = lastCompared(recorded, recomputation.snapshot, last);
    const proof: ProbeProof = { ...recomputation, state, verdict: "equal" };
    await write(proofLine(proof));
    return { run, from: first, to: last, ...proof };
  });
}

/** The steps from one place to another; a state that a run only begins with is none that it took. */
function stepsOf(
  recorded: RecordedRun,
  from: number | string,
  to: number | string,
): readonly [number, number] {
  const [first, last] = [stepAt(recorded, from), stepAt(recorded, to)];
  const refuse = (at: number, reason: string): never =>
    fail({ type: "NoPlace", run: recorded.run, at: String(at), reason } satisfies RunError);
  const begin = recorded.state.origin?.step ?? 0;
  if (first === begin) return refuse(first, `the first step that it took is ${begin + 1}`);
  return first <= last ? [first, last] : refuse(last, `expected one at or after step ${first}`);
}

/** The line of a step, whatever it takes to compute it. */
async function lineOf(
  { device }: RunEnv,
  probe: Probe,
  { plan, before, after, batches, samples }: WatchedStep,
): Promise<string> {
  const { training } = plan;
  try {
    const values = takeProbe(probe, { training, before, after, grains: batches, samples });
    return stepLine(after.step, await readValues(device, values));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return fail({ type: "ProbeFailed", step: after.step, message } satisfies RunError);
  }
}

/** The last step up to `to` whose state itself was compared, of those recomputed after `from`. */
function lastCompared(recorded: RecordedRun, from: number, to: number): number {
  const { position } = placeAt(recorded, to);
  const compared = livePath(recorded.events).findLast(({ position: at, event: { type, data } }) =>
    at < position && (type === "SnapshotTaken" || ("fingerprint" in data && data.fingerprint))
  );
  const step = compared && "step" in compared.event.data ? compared.event.data.step : from;
  return Math.max(from, step);
}
