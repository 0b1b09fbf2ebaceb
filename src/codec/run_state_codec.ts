import type * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { LossAt, RunState, SnapshotRef } from "../core/run_state.ts";
import { runConfig, writtenConfig } from "./config_codec.ts";
import { count, dataCursor, decode, digest, float, literals, object } from "./decoders.ts";
import { dataIdentity, environment } from "./event_codec.ts";
import { writeJson } from "./json_writer.ts";

const lossAt: t.Decoder<unknown, LossAt> = object({ step: count, loss: float });

const snapshotRef: t.Decoder<unknown, SnapshotRef> = partly(
  {
    position: count,
    step: count,
    snapshot: digest,
    state: digest,
    reason: literals("scheduled", "final", "paused"),
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
    lastLoss: lossAt,
    lastEvaluation: lossAt,
    bestEvaluation: lossAt,
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

type Members = Readonly<Record<string, t.Decoder<unknown, unknown>>>;

/** An object with all members of `required`, and any of `optional`, but with no other. */
function partly<A>(required: Members, optional: Members): t.Decoder<unknown, A> {
  const forms = new Map<string, t.Decoder<unknown, unknown>>();
  const whole = object({ ...required, ...optional });
  return new t.Type<A, A, unknown>(
    (whole as t.Type<unknown>).name,
    (_): _ is A => false,
    (value, context) => {
      const present = Object.keys(optional).filter((name) => Object.hasOwn(Object(value), name));
      const form = present.join();
      if (!forms.has(form)) {
        const chosen = present.map((name) => [name, optional[name]!] as const);
        forms.set(form, object({ ...required, ...Object.fromEntries(chosen) }));
      }
      return forms.get(form)!.validate(value, context) as t.Validation<A>;
    },
    (value) => value,
  );
}
