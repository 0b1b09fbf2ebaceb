import type * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { Digest } from "../core/digest.ts";
import type { RunState, SnapshotRef } from "../core/run_state.ts";
import { count, dataCursor, decode, digest, float, literals, partly } from "./decoders.ts";
import { dataIdentity } from "./identity_codec.ts";
import { writeJson } from "./json_writer.ts";
import { laterFacts, writtenFacts } from "./run_facts_codec.ts";
import { runOrigin } from "./run_origin_codec.ts";

const snapshotRef: t.Decoder<unknown, SnapshotRef> = partly(
  {
    position: count,
    step: count,
    snapshot: digest,
    state: digest,
    reason: literals("scheduled", "best", "auto", "final", "paused", "forked", "materialized"),
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
    ...laterFacts,
    task: t.string,
    data: dataIdentity,
    heldOut: dataIdentity,
    origin: runOrigin,
    abandoned: t.array(snapshotRef as t.Type<SnapshotRef>),
    otherCode: t.array(digest as t.Type<Digest>),
    sampleFiles: t.array(digest as t.Type<Digest>),
  },
);

/** The canonical JSON of a state, numbers and config as in events: equal states have equal texts. */
export function runStateText(state: RunState): string {
  return writeJson(writtenFacts(state), "name");
}

/** The state that `runStateText` wrote, or one line that says what is wrong with it. */
export function decodeRunState(value: unknown): E.Either<string, RunState> {
  return decode(runState, value);
}
