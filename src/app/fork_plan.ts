import * as E from "fp-ts/Either.js";
import { checkConfig } from "../core/check_config.ts";
import type { PartialConfig, RunConfig } from "../core/config.ts";
import {
  changedValues,
  type ConfigChange,
  configChange,
  type ScheduleChoice,
} from "../core/config_change.ts";
import { withSettings } from "../core/config_path.ts";
import { type DataCursor, startOfData } from "../core/data_cursor.ts";
import { fail } from "../ports/attempt.ts";
import type { TaskSource } from "../ports/task.ts";
import { checkTask } from "./check_task.ts";
import type { RunError } from "./errors.ts";
import { type Plan, planOf, taskOf } from "./plan.ts";
import type { PastState } from "./rewind.ts";
import { requireSameForm } from "./same_form.ts";

/** What a fork is to be, besides its state. */
export interface ForkPlan {
  readonly plan: Plan;
  /** How the settings differ from the parent's; absent where they do not. */
  readonly change?: ConfigChange;
  /** Whether it is trained on other data than the parent. */
  readonly otherData: boolean;
  /** Where it begins in its data. */
  readonly cursor: DataCursor;
}

/** What a fork is asked to be. */
export interface ForkWish {
  /** Take the parameters alone, into a training that begins at step 0 with a new optimiser. */
  readonly weightsOnly?: boolean;
  /** Settings that the fork is to have in place of the parent's. */
  readonly config?: PartialConfig;
  /** What becomes of the learning-rate schedule where `steps.max` changes; "keep" unless given. */
  readonly schedule?: ScheduleChoice;
}

/**
 * The plan of a fork of the run `parent` at a past state of it. Fails where its settings cannot be the
 * fork's, or its samples have another form than the parent's.
 */
export async function forkPlan(
  parent: string,
  past: PastState,
  parentPlan: Plan,
  source: TaskSource,
  { config: asked = {}, schedule: choice = "keep", weightsOnly = false }: ForkWish,
): Promise<ForkPlan> {
  const recorded = past.state.config!;
  const change = configChange(recorded, asked, { own: parentPlan.task.classes ?? {}, choice });
  const fixed = change?.changes.filter(({ class: kind }) => kind === "architecture") ?? [];
  if (fixed.length > 0 && !weightsOnly) {
    refuse({ type: "ConfigDiffers", run: parent, changes: fixed });
  }
  const config = changed(recorded, change, weightsOnly ? 0 : past.step);
  const task = await taskOf(source, config);
  const isOther = task.data.identity.digest !== past.state.data!.digest;
  if (isOther) await requireSameForm(parentPlan.task.data, task.data);
  else checkTask(parent, past.state, task);
  return {
    plan: planOf(task, config),
    ...(change && { change }),
    otherData: isOther,
    cursor: isOther || weightsOnly ? startOfData : past.state.cursor,
  };
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
