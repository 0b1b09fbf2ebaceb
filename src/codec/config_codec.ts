import * as t from "io-ts";
import type { RunConfig } from "../core/config.ts";
import {
  count,
  decoder,
  float,
  laterObject,
  literals,
  object,
  withoutNeutral,
} from "./decoders.ts";

/** Values of settings by their names or paths. */
export const settings: t.Type<Readonly<Record<string, number | string | boolean>>> = decoder(
  "flat settings",
  (value) => isSettings(value) ? value : undefined,
);

const dataSettings = decoder(
  "flat settings with shuffle",
  (value) =>
    isSettings(value) && typeof value["shuffle"] === "boolean"
      ? value as RunConfig["data"]
      : undefined,
);

/**
 * Settings that configs have had since after the first logs, with the values that mean what those logs
 * mean by not having them. A config that has these values is written without them: docs/format.md.
 */
const NEUTRAL = {
  batch: { grain: 0 },
  optimizer: { nesterov: false },
  schedule: { steps: 0 },
  clip: { value: 0 },
  save: { maxReplaySeconds: 0, maxOverhead: 0.02, best: false },
  evaluate: { patience: 0 },
  ema: { decay: 0 },
  fingerprint: { every: 0 },
  lossScale: { initial: 65536, growthInterval: 2000 },
} as const;

/** The same of settings that are in no group. */
const NEUTRAL_ALONE = { precision: "float32" } as const;

/** Groups of settings that came later as a whole: one with nothing to say is left out itself. */
const LATER_GROUPS: readonly string[] = ["ema", "fingerprint", "lossScale"];

/** A config as it is written in events and states. */
export function writtenConfig(config: RunConfig): object {
  const groups = Object.entries(withoutNeutral(config, NEUTRAL_ALONE)).map(([name, group]) =>
    Object.hasOwn(NEUTRAL, name)
      ? [name, withoutNeutral(group as object, NEUTRAL[name as keyof typeof NEUTRAL])] as const
      : [name, group] as const
  );
  return Object.fromEntries(
    groups.filter(([name, group]) =>
      !LATER_GROUPS.includes(name) || Object.keys(group as object).length > 0
    ),
  );
}

/** A config that `writtenConfig` wrote. */
export const runConfig: t.Decoder<unknown, RunConfig> = withEmptyGroups(laterObject({
  seed: count,
  steps: object({ max: count }),
  batch: laterObject({ size: count, micro: count, grain: count }, NEUTRAL.batch),
  optimizer: laterObject({
    name: literals("sgd", "adam", "adamw", "lion", "adafactor"),
    learningRate: float,
    weightDecay: float,
    momentum: float,
    nesterov: t.boolean,
    beta1: float,
    beta2: float,
    epsilon: float,
  }, NEUTRAL.optimizer),
  schedule: laterObject({
    name: literals("constant", "cosine", "step", "warmupStableDecay"),
    warmupSteps: count,
    factor: float,
    every: count,
    steps: count,
  }, NEUTRAL.schedule),
  clip: laterObject({ norm: float, value: float }, NEUTRAL.clip),
  data: dataSettings,
  model: settings,
  save: laterObject(
    { every: count, maxReplaySeconds: float, maxOverhead: float, best: t.boolean },
    NEUTRAL.save,
  ),
  evaluate: laterObject({ every: count, batches: count, patience: count }, NEUTRAL.evaluate),
  ema: laterObject({ decay: float }, NEUTRAL.ema),
  fingerprint: laterObject({ every: count }, NEUTRAL.fingerprint),
  precision: literals("float32", "mixed_float16"),
  lossScale: laterObject({ initial: float, growthInterval: count }, NEUTRAL.lossScale),
}, NEUTRAL_ALONE));

/** Reads a group that was left out as an empty one, and refuses an empty one that is there. */
function withEmptyGroups(config: t.Decoder<unknown, RunConfig>): t.Decoder<unknown, RunConfig> {
  const whole = config as t.Type<RunConfig, RunConfig, unknown>;
  return new t.Type<RunConfig, RunConfig, unknown>(
    whole.name,
    whole.is,
    (value, context) => {
      if (value === null || typeof value !== "object") return whole.validate(value, context);
      const groups = value as Readonly<Record<string, unknown>>;
      const empty = LATER_GROUPS.find((name) => isEmpty(groups[name]));
      if (empty !== undefined) {
        const message = `expected "${empty}" to be left out where it is empty, found it`;
        return t.failure(value, context, message);
      }
      const absent = LATER_GROUPS.filter((name) => !Object.hasOwn(groups, name));
      const filled = Object.fromEntries(absent.map((name) => [name, {}]));
      return whole.validate({ ...groups, ...filled }, context);
    },
    whole.encode,
  );
}

function isEmpty(value: unknown): boolean {
  return value !== null && typeof value === "object" && Object.keys(value).length === 0;
}

function isSettings(value: unknown): value is Record<string, number | string | boolean> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  return Object.values(value).every((leaf) =>
    ["number", "string", "boolean"].includes(typeof leaf)
  );
}
