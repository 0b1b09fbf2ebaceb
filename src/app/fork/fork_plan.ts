import * as E from "fp-ts/Either.js";
import { checkConfig } from "../../core/check_config.ts";
import type { PartialConfig, RunConfig } from "../../core/config.ts";
import {
  changedValues,
  type ConfigChange,
  configChange,
  type ScheduleChoice,
} from "../../core/config_change.ts";
import { withSettings } from "../../core/config_path.ts";
import { type DataCursor, startOfData } from "../../core/data_cursor.ts";
import { isSameData } from "../../core/data_identity.ts";
import { carriedOver } from "../../core/data_order.ts";
import type { LeftOut } from "../../core/left_out.ts";
import { fail } from "../../ports/attempt.ts";
import type { Task, TaskSource } from "../../ports/task.ts";
import { checkTask } from "../training/check_task.ts";
import type { RunError } from "../errors/errors.ts";
import { leftOutOfFork, type LeftOutWish } from "./left_out_of_fork.ts";
import { type Plan, planOf, taskOf } from "../training/plan.ts";
import type { ReachedState } from "../replay/reach_state.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { requireSameForm } from "./same_form.ts";

/** What a fork is to be, besides its state. */
export interface ForkPlan {
  readonly plan: Plan;
  /** How the settings differ from the parent's; absent where they do not. */
  readonly change?: ConfigChange;
  /** Whether it is trained on other data than the parent. */
  readonly otherData: boolean;
  /** What is left out of its data, if anything. */
  readonly leftOut?: LeftOut;
  /** Where it begins in its data. */
  readonly cursor: DataCursor;
}

/** What a fork is asked to be. */
export interface ForkWish extends LeftOutWish {
  /** Take the parameters alone, into a training that begins at step 0 with a new optimiser. */
  readonly weightsOnly?: boolean;
  /** Settings that the fork is to have in place of the parent's. */
  readonly config?: PartialConfig;
  /**
   * What becomes of the learning-rate schedule where `steps.max` changes. Unless given it is kept by a fork
   * that goes on, and made for the new length by one that begins anew with the weights.
   */
  readonly schedule?: ScheduleChoice;
}

/**
 * The plan of a fork of the run `parent` at a past state of it. Fails where its settings cannot be the
 * fork's, its samples have another form than the parent's, or what is to be left out is not there.
 */
export async function forkPlan(
  { run: parent, events }: Pick<RecordedRun, "run" | "events">,
  { past, plan: parentPlan }: Pick<ReachedState, "past" | "plan">,
  source: TaskSource,
  wish: ForkWish,
): Promise<ForkPlan> {
  const { config: asked = {}, weightsOnly = false } = wish;
  const choice = wish.schedule ?? (weightsOnly ? "stretch" : "keep");
  const recorded = past.state.config!;
  const change = configChange(recorded, asked, { own: parentPlan.task.classes ?? {}, choice });
  const fixed = change?.changes.filter(({ class: kind }) => kind === "architecture") ?? [];
  if (fixed.length > 0 && !weightsOnly) {
    refuse({ type: "ConfigDiffers", run: parent, changes: fixed });
  }
  const config = changed(recorded, change, weightsOnly ? 0 : past.step);
  const task = await taskOf(source, config);
  const isOther = !isSameData(past.state.data!, task.data.identity);
  if (isOther) await requireSameForm(parentPlan.task.data, task.data);
  else checkTask(parent, past.state, task);
  requireSamples(task, wish.withoutSamples ?? []);
  const about = { past, task: parentPlan.task, config, otherData: isOther };
  const leftOut = leftOutOfFork(events, about, wish);
  const plan = planWithout(task, config, leftOut);
  const cursor = isOther || weightsOnly
    ? plan.order.advance(startOfData, 0)
    : carriedOver(past.state.cursor, parentPlan.order, plan.order);
  return {
    plan,
    ...(change && { change }),
    otherData: isOther,
    ...(leftOut && { leftOut }),
    cursor,
  };
}

/** Says of a sample that is not there which would be; the order of the data names it as its own argument. */
function requireSamples({ data }: Task, numbers: readonly number[]): void {
  const { samples } = data.identity;
  const found = numbers.find((number) =>
    !Number.isSafeInteger(number) || number < 0 || number >= samples
  );
  if (found !== undefined) refuse({ type: "NoSuchSample", found, samples });
}

/** What cannot be left out of the data is a mistake of whoever asks. */
function planWithout(task: Task, config: RunConfig, leftOut: LeftOut | undefined): Plan {
  try {
    return planOf(task, config, leftOut);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return refuse({ type: "NoTask", message: error.message });
  }
}

function changed(
  recorded: RunConfig,
  change: ConfigChange | undefined,
  step: number,
): RunConfig {
  if (change === undefined) return recorded;
  const config = withSettings(recorded, changedValues(change.changes));
  const checked = checkConfig(config, change.changes.map(({ path }) => path));
  if (E.isLeft(checked)) return refuse(checked.left);
  if (config.steps.max >= step) return config;
  const expected = `at least ${step}, the step that the fork begins at`;
  return refuse({ type: "BadSetting", path: "steps.max", expected, found: `${config.steps.max}` });
}

function refuse(error: RunError): never {
  return fail(error);
}
