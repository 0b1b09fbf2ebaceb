import * as E from "fp-ts/Either.js";
import { environmentChanges } from "../../core/environment.ts";
import { fileProgress } from "../../core/file_progress.ts";
import { ownSteps, type RunState } from "../../core/run_state.ts";
import type { RunId } from "../../core/run_id.ts";
import { settingChanges } from "../../core/setting_class.ts";
import { savesByTime } from "../../core/save_policy.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { LogContents } from "../../ports/event_log.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import { release, releaseOnThrow } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import { type Continuation, continuationOf } from "./continuation.ts";
import type { RunError } from "../errors/errors.ts";
import { finishRun } from "./finish_run.ts";
import type { LogAppender } from "./log_appender.ts";
import { recorderAt } from "./recorder.ts";
import { releaseOnRejection } from "./release_on_rejection.ts";
import { requireComputedHere } from "./require_computed_here.ts";
import { requireFit } from "./require_fit.ts";
import { type RestoredState, restoreState } from "./restore_state.ts";
import { checkedPolicy, retentionOf } from "./retain_snapshots.ts";
import type { RunOutcome } from "./run_outcome.ts";
import { paceOf } from "./save_pace.ts";
import { type RunLoop, takeStretches } from "./stretches.ts";
import type { TrainOptions } from "./train_options.ts";
import { unnamed } from "../upkeep/unnamed_views.ts";

/** A run that exists, and where what it does next is appended. */
interface OpenRun extends Pick<RunLoop, "env" | "run" | "plans" | "get"> {
  readonly log: LogAppender;
}

/**
 * Continues a run, whose log has these contents, from its head or from an earlier step.
 *
 * Says no before anything is computed where it can; then restores the nearest state, recomputes and
 * compares what lies between, and only then records how the run goes on.
 */
export async function continueRun(
  { log, ...open }: OpenRun,
  contents: LogContents,
  options: TrainOptions,
): Promise<RunOutcome> {
  const { env, run, plans, get } = open;
  const whole = () => get(env.store.log.read(run));
  const going = await continuationOf(env, run, plans, { contents, whole }, options);
  if ("run" in going) return going;
  const { from, opening, end, wished } = going;
  for (const { path, recorded, asked } of wished.passing) {
    const { grain } = wished.config.batch;
    env.reporter?.report({ type: "MicroPasses", path, recorded, asked, grain });
  }
  const left = end === undefined ? await leftInView(env, run, from, contents, get) : undefined;
  const pace = paceOf(env, wished.config, left);
  const policy = await checkedPolicy(env, options.retention);
  const { snapshots } = from;
  const place = end !== undefined && { end };
  const recorded = { recent: contents, whole, snapshots, proves: true, ...place };
  const next = await plans.at({ ...from, config: wished.config });
  const restored = await restoreState(env, plans, recorded, from.step);
  if (wished.change?.class === "training") {
    const { changes } = wished.change;
    releaseOnThrow(
      tensorsOf(restored.state),
      () => requireFit(run, next, restored.state, changes),
    );
  }
  requireComputedHere(env.device.environment, run, restored, from.step);
  const kept = new Set(snapshots.map(({ snapshot }) => snapshot));
  const heals = (snapshot: SnapshotId) => kept.has(snapshot);
  const recorder = recorderAt(restored, { log, opening });
  const retention = retentionOf(policy, restored.snapshot);
  const continuing = { ...open, recorder, heals, ...retention, ...pace };
  const { step } = restored.state;
  const result = await attempt<RunError, RunOutcome>(() =>
    recomputeAndGoOn(continuing, restored, going, options)
  )();
  if (E.isRight(result)) return result.right;
  if (result.left.type !== "Diverged") return fail(result.left);
  const environment = environmentChanges(from.environment!, env.device.environment);
  return fail({ ...result.left, from: step, environment } satisfies RunError);
}

/**
 * The last step in the log where the view has a snapshot of it that the log does not name: a process that
 * was killed stored it. Asked only where the step alone does not say that it is due again.
 */
async function leftInView(
  { store }: RunEnv,
  run: RunId,
  { config, step: last }: RunState,
  contents: LogContents,
  get: Await<RunError>,
): Promise<number | undefined> {
  if (!savesByTime(config!)) return undefined;
  const shown = await get(store.snapshots.shown(run));
  return unnamed(shown, contents).find(({ step }) => step === last)?.step;
}

/**
 * Recomputes up to the state that the run goes on from, says what was compared, records how it goes on, and
 * does.
 */
async function recomputeAndGoOn(
  loop: RunLoop,
  restored: RestoredState,
  going: Continuation,
  options: TrainOptions,
): Promise<RunOutcome> {
  const { env, run, recorder } = loop;
  const { from: head } = going;
  const snapshot = restored.state.step;
  const maxSteps = head.config!.steps.max;
  releaseOnThrow(
    tensorsOf(restored.state),
    () => env.reporter?.report({ type: "Resuming", run, snapshot, head: head.step, maxSteps }),
  );
  const stopped = () => options.stop?.aborted ?? false;
  const state = await takeStretches(loop, restored.state, head.step, stopped);
  if (state.step < head.step) {
    release(tensorsOf(state));
    return { run, status: "stopped", state: head };
  }
  const files = fileProgress(head);
  releaseOnThrow(tensorsOf(state), () =>
    env.reporter?.report({
      type: "Resumed",
      run,
      step: head.step,
      epoch: head.cursor.epoch,
      ...(files && { files }),
      snapshot,
      recomputed: head.step - snapshot,
      compared: recorder.compared(),
      fingerprints: recorder.fingerprints(),
      history: ownSteps(head),
      best: head.bestEvaluation ?? head.bestTrainLoss,
    }));
  await releaseOnRejection(tensorsOf(state), async () => {
    await recorder.open();
    await announce(loop, going);
  });
  return await finishRun(loop, { state }, options);
}

/** Says how a run goes on, and takes out of its view what belongs to a branch that it has left. */
async function announce(
  { env: { reporter, store }, run }: RunLoop,
  { from, opening: { head }, end, wished: { change, config } }: Continuation,
): Promise<void> {
  const { step } = from;
  if (end !== undefined) {
    const undone = settingChanges(head.config!, from.config!);
    reporter?.report({ type: "Rewound", step, head: head.step, undone });
    const left = head.snapshots.filter(({ position }) => position >= end).map(({ step }) => step);
    const shown = await store.snapshots.shown(run)(); // of one too that a killed process left there
    const beyond = E.isLeft(shown)
      ? []
      : shown.right.map((one) => one.step).filter((at) => at > step);
    for (const at of new Set([...left, ...beyond])) await store.snapshots.hide(run, at)(); // derived: it may fail
  }
  if (change !== undefined) reporter?.report({ type: "Changed", step, change, config });
}
