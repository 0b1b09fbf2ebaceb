import { type Setting, settings } from "./config_path.ts";
import type { PartialConfig, RunConfig } from "./config.ts";

/**
 * What changing a setting in the middle of a run means. "free": no bit of the training depends on it.
 * "training": the bits do, from there on. "architecture": the state of the run would not fit any more, or
 * the setting matters at step 0 alone.
 */
export type SettingClass = "free" | "training" | "architecture";

/** The classes of a recipe's or task's own settings, by path ("model.dropout"). */
export type OwnClasses = Readonly<Record<string, SettingClass>>;

type Rule = SettingClass | ((before: Setting, after: Setting) => SettingClass);

/** The paths of the settings that every config has; a new one breaks the build until it has a class. */
type ConfigPath = Exclude<
  {
    [K in keyof RunConfig & string]: RunConfig[K] extends object
      ? `${K}.${keyof RunConfig[K] & string}`
      : K;
  }[keyof RunConfig & string],
  `model.${string}` | `data.${string}`
>;

const CLASSES: Readonly<Record<ConfigPath | "data.shuffle", Rule>> = {
  "seed": "training", // the order of the data and every random number from there on
  "steps.max": "free",
  "batch.size": "training",
  "batch.micro": "training",
  "batch.grain": "training",
  "optimizer.name": "architecture",
  "optimizer.learningRate": "training",
  "optimizer.weightDecay": "training",
  "optimizer.momentum": onOrOff, // without one there is no velocity in the state
  "optimizer.nesterov": "training",
  "optimizer.beta1": "training",
  "optimizer.beta2": "training",
  "optimizer.epsilon": "training",
  "schedule.name": "training",
  "schedule.warmupSteps": "training",
  "schedule.factor": "training",
  "schedule.every": "training",
  "schedule.steps": "training",
  "clip.norm": "training",
  "clip.value": "training",
  "data.shuffle": "training",
  "save.every": "free",
  "save.maxReplaySeconds": "free",
  "save.maxOverhead": "free",
  "save.best": "free",
  "evaluate.every": "free",
  "evaluate.batches": "free",
  "evaluate.patience": "free",
  "ema.decay": onOrOff, // the average is in the state, or is not
  "fingerprint.every": "free",
  "precision": "architecture",
  "lossScale.initial": "architecture",
  "lossScale.growthInterval": "training",
};

/** A setting that is to have another value from some step on. */
export interface SettingChange {
  readonly path: string;
  readonly recorded: Setting | undefined;
  readonly asked: Setting;
  readonly class: SettingClass;
}

/**
 * The settings in which what is asked for differs from what a run has, by path. A recipe's own settings
 * have the classes that `own` gives them; without one `model.*` is the architecture, and `data.*` the
 * training.
 */
export function settingChanges(
  recorded: RunConfig,
  asked: PartialConfig,
  own: OwnClasses = {},
): readonly SettingChange[] {
  const before = settings(recorded);
  return [...settings(asked as RunConfig)].flatMap(([path, value]) => {
    const old = before.get(path);
    if (Object.is(old, value)) return [];
    return [{ path, recorded: old, asked: value, class: classOf(path, old, value, own) }];
  });
}

/** The class of changes together: "training" as soon as one of them is. */
export function classOfAll(changes: readonly SettingChange[]): SettingClass {
  const classes = changes.map((change) => change.class);
  if (classes.includes("architecture")) return "architecture";
  return classes.includes("training") ? "training" : "free";
}

function classOf(
  path: string,
  before: Setting | undefined,
  after: Setting,
  own: OwnClasses,
): SettingClass {
  if (before === undefined) return "architecture"; // a setting that the run's recipe does not have
  const rule = Object.hasOwn(CLASSES, path) ? CLASSES[path as keyof typeof CLASSES] : own[path];
  if (typeof rule === "function") return rule(before, after);
  return rule ?? (path.startsWith("data.") ? "training" : "architecture");
}

function onOrOff(before: Setting, after: Setting): SettingClass {
  return (before === 0) === (after === 0) ? "training" : "architecture";
}
