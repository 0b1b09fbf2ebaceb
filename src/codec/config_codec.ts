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

const settings = decoder("flat settings", (value) => isSettings(value) ? value : undefined);

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
const NEUTRAL = { optimizer: { nesterov: false }, clip: { value: 0 } } as const;

/** A config as it is written in events and states. */
export function writtenConfig(config: RunConfig): object {
  const optimizer = withoutNeutral(config.optimizer, NEUTRAL.optimizer);
  return { ...config, optimizer, clip: withoutNeutral(config.clip, NEUTRAL.clip) };
}

/** A config that `writtenConfig` wrote. */
export const runConfig: t.Decoder<unknown, RunConfig> = object({
  seed: count,
  steps: object({ max: count }),
  batch: object({ size: count, micro: count }),
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
  schedule: object({
    name: literals("constant", "cosine", "step", "warmupStableDecay"),
    warmupSteps: count,
    factor: float,
    every: count,
  }),
  clip: laterObject({ norm: float, value: float }, NEUTRAL.clip),
  data: dataSettings,
  model: settings,
  save: object({ every: count }),
  evaluate: object({ every: count, batches: count }),
});

function isSettings(value: unknown): value is Record<string, number | string | boolean> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  return Object.values(value).every((leaf) =>
    ["number", "string", "boolean"].includes(typeof leaf)
  );
}
