import type * as t from "io-ts";
import type { EvaluationAt, LossAt, RunFacts } from "../core/run_state.ts";
import { runConfig, writtenConfig } from "./config_codec.ts";
import { count, dataCursor, digest, float, object, partly } from "./decoders.ts";
import { environment } from "./identity_codec.ts";
import { measures } from "./measures_codec.ts";

const lossAt: t.Decoder<unknown, LossAt> = object({ step: count, loss: float });

const evaluationAt: t.Decoder<unknown, EvaluationAt> = partly(
  { step: count, loss: float },
  { measures },
);

/** Those facts that a run need not have. */
export const laterFacts = {
  config: runConfig,
  environment,
  code: digest,
  skippedSteps: count,
  lastLoss: lossAt,
  trainEmaLoss: float,
  lastEvaluation: evaluationAt,
  bestEvaluation: evaluationAt,
  worseEvaluations: count,
  bestTrainLoss: lossAt,
  failedSnapshot: count,
} as const;

/** What a rewind goes back to. */
export const runFacts: t.Decoder<unknown, RunFacts> = partly({ cursor: dataCursor }, laterFacts);

/** Facts, or more than them, as they are written: with a config as in events. */
export function writtenFacts(facts: RunFacts): object {
  const { config } = facts;
  return config === undefined ? facts : { ...facts, config: writtenConfig(config) };
}
