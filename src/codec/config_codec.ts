import type * as t from "io-ts";
import type { RunConfig } from "../core/config.ts";
import { count, decoder, float, literals, object } from "./decoders.ts";

const settings = decoder("flat settings", (value) => isSettings(value) ? value : undefined);

const dataSettings = decoder(
  "flat settings with shuffle",
  (value) =>
    isSettings(value) && typeof value["shuffle"] === "boolean"
      ? value as RunConfig["data"]
      : undefined,
);

/** A config as RunStarted records it. */
export const runConfig: t.Decoder<unknown, RunConfig> = object({
  seed: count,
  steps: object({ max: count }),
  batch: object({ size: count, micro: count }),
  optimizer: object({
    name: literals("sgd", "adamw"),
    learningRate: float,
    weightDecay: float,
    momentum: float,
    beta1: float,
    beta2: float,
    epsilon: float,
  }),
  schedule: object({
    name: literals("constant", "cosine", "step", "warmupStableDecay"),
    warmupSteps: count,
    factor: float,
    every: count,
  }),
  clip: object({ norm: float }),
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
