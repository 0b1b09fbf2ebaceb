import type * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { LossAt, RunState, SnapshotRef } from "../core/run_state.ts";
import { runConfig, writtenConfig } from "./config_codec.ts";
import { count, dataCursor, decode, digest, float, literals, object, partly } from "./decoders.ts";
import { dataIdentity, environment } from "./event_codec.ts";
import { writeJson } from "./json_writer.ts";

const lossAt: t.Decoder<unknown, LossAt> = object({ step: count, loss: float });

const snapshotRef: t.Decoder<unknown, SnapshotRef> = partly(
  {
    position: count,
    step: count,
    snapshot: digest,
    state: digest,
    reason: literals("scheduled", "auto", "final", "paused"),
    cursor: dataCursor,
  },
  { loss: float, evaluation: float },
);

const runState: t.Decoder<unknown, RunState> = partly(
  {
    status: literals("absent", "running", "paused", "failed", "completed"),
    version: count,
    step: count,
    cursor: dataCursor,
    snapshots: t.array(snapshotRef as t.Type<SnapshotRef>),
  },
  {
    task: t.string,
    config: runConfig,
    data: dataIdentity,
    environment,
    skippedSteps: count,
    lastLoss: lossAt,
    trainEmaLoss: float,
    lastEvaluation: lossAt,
    bestEvaluation: lossAt,
    worseEvaluations: count,
    bestTrainLoss: lossAt,
    failedSnapshot: count,
  },
);

/** The canonical JSON of a state, numbers and config as in events: equal states have equal texts. */
export function runStateText(state: RunState): string {
  const { config } = state;
  return writeJson(
    config === undefined ? state : { ...state, config: writtenConfig(config) },
    "name",
  );
}

/** The state that `runStateText` wrote, or one line that says what is wrong with it. */
export function decodeRunState(value: unknown): E.Either<string, RunState> {
  return decode(runState, value);
}
