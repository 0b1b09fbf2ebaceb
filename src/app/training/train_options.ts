import * as E from "fp-ts/Either.js";
import { checkConfig } from "../../core/check_config.ts";
import {
  defaultConfig,
  mergeConfig,
  type PartialConfig,
  type RunConfig,
} from "../../core/config.ts";
import type { ScheduleChoice } from "../../core/config_change.ts";
import type { RetentionPolicy } from "../../core/retention_policy.ts";
import { fail } from "../../ports/attempt.ts";
import type { Task, TaskSource } from "../../ports/task.ts";

/** How a run is to be trained. */
export interface TrainOptions {
  /**
   * "auto" continues a run that exists and starts one that does not; "must" expects it to exist,
   * "never" not to.
   */
  readonly resume?: "auto" | "must" | "never";
  /**
   * Where an existing run goes on: a step, or a place by name ("latest", "best", "final", "step-001200");
   * the last step of its log unless given. Going on from an earlier step abandons what followed it, of
   * which nothing is erased.
   */
  readonly at?: number | string;
  /** Pause at this step. The plan, and so the schedule, stays as it is. */
  readonly until?: number;
  /**
   * Settings for a new run, over those of the task. For an existing run, settings that it is to have: a
   * change on which no bit depends (`steps.max`, `save.every`, ...) is recorded, another is refused.
   */
  readonly config?: PartialConfig;
  /** Record changes of settings that change the training from here on, in place of refusing them. */
  readonly recordChanges?: boolean;
  /** What becomes of the learning-rate schedule where `steps.max` changes; "keep" unless given. */
  readonly schedule?: ScheduleChoice;
  /** Pauses the run after the step during which it is aborted. */
  readonly stop?: AbortSignal;
  /**
   * What is kept of the run's snapshots, after each that is stored; all of them without it, or where a
   * log of the store is damaged.
   */
  readonly retention?: RetentionPolicy;
  /** Go on in another environment, and record that exactness ends there. */
  readonly acceptEnvironment?: boolean;
  /** Go on under other code than the run was computed with, and record that from here on it is this. */
  readonly acceptCodeChange?: boolean;
}

/** All settings of a new run. Fails with BadSetting for one that makes no sense. */
export function configOfNew(
  source: TaskSource,
  options: Pick<TrainOptions, "config">,
): RunConfig {
  const asked = typeof source === "function"
    ? options.config ?? {}
    : askedSettings(source, options);
  const config = checkConfig(mergeConfig(defaultConfig, asked));
  return E.isLeft(config) ? fail(config.left) : config.right;
}

/** The settings that a task and its caller ask for; where both do, the caller's. */
export function askedSettings(
  task: Task,
  { config = {} }: Pick<TrainOptions, "config">,
): PartialConfig {
  return mergeConfig((task.config ?? {}) as RunConfig, config);
}
