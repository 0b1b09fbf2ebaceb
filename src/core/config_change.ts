import { type PartialConfig, type RunConfig, scheduleSteps } from "./config.ts";
import { partialConfig, type Setting } from "./config_path.ts";
import {
  classOfAll,
  type OwnClasses,
  type SettingChange,
  settingChanges,
  type SettingClass,
} from "./setting_class.ts";

/**
 * What becomes of the learning-rate schedule when a plan gets another length. "keep": it ends where it
 * would have, and the rate stays from there on. "stretch": it is of the new length from here on.
 */
export type ScheduleChoice = "keep" | "stretch";

/** How the settings of a run are to change, together. */
export interface ConfigChange {
  readonly changes: readonly SettingChange[];
  readonly class: SettingChange["class"];
  /** Said where the length of the plan changes, and with it may change the schedule. */
  readonly schedule?: ScheduleChoice;
}

/** The names of the schedules whose rates depend on their length. */
const WITH_LENGTH: readonly RunConfig["schedule"]["name"][] = ["cosine", "warmupStableDecay"];

/**
 * The changes that lead from the settings of a run to those that are asked for; undefined for none.
 *
 * Another `steps.max` leaves the schedule as long as it was, which is a change of its own where the
 * schedule had the plan's length, unless `choice` is to stretch it or `schedule.steps` is asked for.
 */
export function configChange(
  recorded: RunConfig,
  asked: PartialConfig,
  { own = {}, choice = "keep" }: {
    readonly own?: OwnClasses;
    readonly choice?: ScheduleChoice;
  } = {},
): ConfigChange | undefined {
  const changes = settingChanges(recorded, asked, own);
  if (changes.length === 0) return undefined;
  const longer = changes.some(({ path }) => path === "steps.max");
  const hasLength = WITH_LENGTH.includes(asked.schedule?.name ?? recorded.schedule.name);
  if (!longer || !hasLength || changes.some(({ path }) => path === "schedule.steps")) {
    return { changes, class: classOfAll(changes) };
  }
  const length = choice === "keep" ? scheduleSteps(recorded) : 0;
  const schedule = settingChanges(recorded, { schedule: { steps: length } });
  // To keep the schedule changes no rate; to stretch it does.
  const others = choice === "keep" ? changes : [...changes, ...restretched(schedule, recorded)];
  return { changes: [...changes, ...schedule], class: classOfAll(others), schedule: choice };
}

/** The values of changes by their paths, as ConfigChanged records them. */
export function changedValues(
  changes: readonly SettingChange[],
): Readonly<Record<string, Setting>> {
  return Object.fromEntries(changes.map(({ path, asked }) => [path, asked]));
}

/** What stretching does to the schedule's length, even where no setting but the plan's says so. */
function restretched(
  schedule: readonly SettingChange[],
  recorded: RunConfig,
): readonly SettingChange[] {
  if (schedule.length > 0) return schedule;
  const path = "schedule.steps";
  return [{ path, recorded: recorded.schedule.steps, asked: 0, class: "training" }];
}

/**
 * The class that changes have at least, whatever classes a task gives its own settings, which are passed
 * over: what a history can be held against without its task.
 */
export function leastClass(
  before: RunConfig,
  changes: Readonly<Record<string, Setting>>,
): SettingClass {
  const asked = partialConfig(Object.entries(changes).filter(([path]) => !isOwn(path)));
  const all = settingChanges(before, asked);
  const keeps = changes["steps.max"] !== undefined &&
    changes["schedule.steps"] === scheduleSteps(before);
  return classOfAll(keeps ? all.filter(({ path }) => path !== "schedule.steps") : all);
}

function isOwn(path: string): boolean {
  return path.startsWith("model.") || (path.startsWith("data.") && path !== "data.shuffle");
}
