import * as E from "fp-ts/Either.js";
import type { RunCommand } from "../../core/command.ts";
import { changedValues } from "../../core/config_change.ts";
import { decide } from "../../core/decide.ts";
import type { RunStarted } from "../../core/event.ts";
import { evolve } from "../../core/evolve.ts";
import { planEnds } from "../../core/plan_ends.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import { fail } from "../../ports/attempt.ts";
import type { LogContents } from "../../ports/event_log.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import { codeChange } from "./check_code.ts";
import { placeAt, stepNamed } from "../replay/place_in_run.ts";
import type { Plans } from "./plan.ts";
import type { Opening } from "./recorder.ts";
import { type PastState, rewindTo } from "../replay/rewind.ts";
import type { RunOutcome } from "./run_outcome.ts";
import type { TrainOptions } from "./train_options.ts";
import { askedOf, type WishedChange, wishedChange } from "./wished_change.ts";

/** How a run goes on. */
export interface Continuation {
  /** The state that it goes on from: the head of its log, or what a rewind makes of that. */
  readonly from: RunState;
  /** What is recorded first. */
  readonly opening: Opening;
  /** Where a rewind goes back to: events from this position on are left. */
  readonly end?: number;
  readonly wished: WishedChange;
}

/** What a log holds: its end, which is at hand, and all of it, which takes longer to read. */
interface ReadLog {
  readonly contents: LogContents;
  readonly whole: () => Promise<LogContents>;
}

/**
 * How a run goes on as it is asked to, or its outcome where there is nothing to do. Refuses, before
 * anything is computed, what the run cannot become.
 */
export async function continuationOf(
  env: RunEnv,
  run: RunId,
  plans: Plans,
  log: ReadLog,
  options: TrainOptions,
): Promise<Continuation | RunOutcome> {
  const head = foldOf(log.contents);
  const past = await pastOf(run, head, log, options);
  const rewind = past && { type: "RewindRun" as const, data: rewindTo(past) };
  const from = rewind ? evolve(head, { type: "RunRewound", data: rewind.data }) : head;
  const { task } = await plans.at(from);
  const { config: started } = (log.contents.ends!.first.event as RunStarted).data;
  // A fork has the settings that it was made with, whatever a script says that made its parent.
  const asked = head.origin ? options.config ?? {} : askedOf(task, started, options.config);
  const wished = wishedChange(run, from, asked, { own: task.classes ?? {}, options });
  const ended = alreadyThere(run, from, wished, options);
  if (ended !== undefined) return ended;
  const { change } = wished;
  if (change !== undefined) await plans.at({ ...from, config: wished.config }); // has to be a task
  const other = await codeChange(env, run, from);
  if (other !== undefined && !options.acceptCodeChange) return fail(other);
  const config = change && change.class !== "architecture"
    ? { changes: changedValues(change.changes), class: change.class }
    : undefined;
  const wish = {
    environment: env.device.environment,
    acceptEnvironment: options.acceptEnvironment ?? false,
    ...(other && { code: other.actual }),
    ...(config && { config }),
  };
  const resume: RunCommand = { type: "ResumeRun", data: wish };
  const refused = decide(resume, from);
  if (E.isLeft(refused)) return fail(refused.left);
  const opening = { head, commands: rewind ? [rewind, resume] : [resume] };
  return { from, opening, ...(past && { end: past.position }), wished };
}

/** The past state that the run is to go back to; undefined where it goes on from the head of its log. */
async function pastOf(
  run: RunId,
  head: RunState,
  { contents, whole }: ReadLog,
  { at }: TrainOptions,
): Promise<PastState | undefined> {
  if (at === undefined || at === "latest") return undefined;
  stepNamed(run, head, at); // says no before the whole log is read
  const { events } = contents.base.version === 0 ? contents : await whole();
  const past = placeAt({ run, state: head, events }, at);
  return past.step === head.step ? undefined : past;
}

/** Where there is nothing to do: the run is complete, or paused where it is to pause. */
function alreadyThere(
  run: RunId,
  from: RunState,
  { change, config }: WishedChange,
  { until }: TrainOptions,
): RunOutcome | undefined {
  const completed = from.status === "completed" && planEnds({ ...from, config });
  if (completed) return { run, status: "completed", state: from };
  if (until === undefined || until > from.step) return undefined;
  if (until < from.step) fail({ type: "StepPassed", run, until, step: from.step });
  return from.status === "paused" && change === undefined
    ? { run, status: "paused", state: from }
    : undefined;
}
