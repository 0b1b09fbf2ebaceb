import * as E from "fp-ts/Either.js";
import type { RunConfig } from "./config.ts";
import { LOSS_SCALES } from "./loss_scale_rule.ts";
import { type Setting, type SettingError, settings } from "./config_path.ts";

type Rule = readonly [expected: string, holds: (value: Setting, config: RunConfig) => boolean];

const positiveInteger: Rule = ["a whole number of at least 1", (v) => isWhole(v) && v >= 1];
const countOrZero: Rule = ["a whole number of at least 0", (v) => isWhole(v) && v >= 0];
const notNegative: Rule = ["a number of at least 0", (v) => typeof v === "number" && v >= 0];
const share: Rule = ["a number from 0 to 1", isShare];
const trueOrFalse: Rule = ["true or false", (v) => typeof v === "boolean"];
const belowOne: Rule = ["a number from 0 up to, not including, 1", (v) => isShare(v) && v !== 1];

const RULES: Readonly<Record<string, Rule>> = {
  "seed": countOrZero,
  "steps.max": positiveInteger,
  "batch.size": positiveInteger,
  "batch.micro": [
    "a whole number of at least 1 that divides batch.size and is a multiple of batch.grain",
    (v, { batch }) =>
      isWhole(v) && v >= 1 && (!isWhole(batch.size) || batch.size % v === 0) &&
      (!isWhole(batch.grain) || batch.grain === 0 || v % batch.grain === 0),
  ],
  "batch.grain": [
    "0, or a whole number of at least 1 that divides batch.micro",
    (v, { batch }) => isWhole(v) && v >= 0 && (v === 0 || batch.micro % v === 0),
  ],
  "optimizer.name": oneOf("sgd", "adam", "adamw", "lion", "adafactor"),
  "optimizer.learningRate": notNegative,
  "optimizer.weightDecay": notNegative,
  "optimizer.momentum": belowOne,
  "optimizer.nesterov": trueOrFalse,
  "optimizer.beta1": belowOne,
  "optimizer.beta2": belowOne,
  "optimizer.epsilon": ["a number above 0", (v) => typeof v === "number" && v > 0],
  "schedule.name": oneOf("constant", "cosine", "step", "warmupStableDecay"),
  "schedule.warmupSteps": countOrZero,
  "schedule.factor": share,
  "schedule.every": positiveInteger,
  "schedule.steps": countOrZero,
  "clip.norm": notNegative,
  "clip.value": notNegative,
  "data.shuffle": trueOrFalse,
  "save.every": countOrZero,
  "save.maxReplaySeconds": notNegative,
  "save.best": trueOrFalse,
  "save.maxOverhead": ["a number above 0 and up to 1", (v) => isShare(v) && v !== 0],
  "ema.decay": belowOne,
  "evaluate.every": countOrZero,
  "evaluate.batches": countOrZero,
  "evaluate.patience": countOrZero,
  "fingerprint.every": countOrZero,
  "precision": oneOf("float32", "mixed_float16"),
  "lossScale.initial": ["a power of two from 1 to 2^24", isLossScale],
  "lossScale.growthInterval": [
    "a whole number from 1 to 2^24", // it is counted in float32
    (v) => isWhole(v) && v >= 1 && v <= 2 ** 24,
  ],
};

/**
 * The config itself, or the first setting whose value makes no sense: one of `asked`, which somebody has
 * just chosen, before the others, each in sorted order.
 */
export function checkConfig(
  config: RunConfig,
  asked: readonly string[] = [],
): E.Either<SettingError, RunConfig> {
  const [first] = badSettings(config, asked);
  return first === undefined ? E.right(config) : E.left(first);
}

/** A setting whose value makes no sense. */
export type BadSetting = Extract<SettingError, { readonly type: "BadSetting" }>;

/** Every setting whose value makes no sense, once: those of `asked` before the others, each in sorted order. */
export function badSettings(
  config: RunConfig,
  asked: readonly string[] = [],
): readonly BadSetting[] {
  const all = [...settings(config)];
  const isAsked = ([path]: readonly [string, Setting]) => asked.includes(path);
  return [...all.filter(isAsked), ...all.filter((setting) => !isAsked(setting))].flatMap(
    ([path, value]): readonly BadSetting[] => {
      const rule = RULES[path];
      if (rule !== undefined && !rule[1](value, config)) {
        return [{ type: "BadSetting", path, expected: rule[0], found: String(value) }];
      }
      if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
        const found = Object.is(value, -0) ? "-0" : String(value);
        return [{ type: "BadSetting", path, expected: "a finite number, not -0", found }];
      }
      return [];
    },
  );
}

function isShare(value: Setting): boolean {
  return typeof value === "number" && value >= 0 && value <= 1;
}

function isLossScale(value: Setting): boolean {
  const { smallest, largest } = LOSS_SCALES;
  return typeof value === "number" && value >= smallest && value <= largest &&
    Number.isInteger(Math.log2(value));
}

function isWhole(value: Setting): value is number {
  return Number.isSafeInteger(value);
}

function oneOf(...names: readonly string[]): Rule {
  return [`one of ${names.join(", ")}`, (value) => names.includes(String(value))];
}
