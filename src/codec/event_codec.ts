import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { RunEvent } from "../core/event.ts";
import type { Json } from "../core/json.ts";
import { isSampleName, SAMPLE_NAME, type SampleFile } from "../core/sample_files.ts";
import { runConfig, settings, writtenConfig } from "./config_codec.ts";
import {
  count,
  decode,
  decoder,
  digest,
  float,
  hexadecimal,
  literals,
  object,
  partly,
  positive,
} from "./decoders.ts";
import { encodeNumbers } from "./float_codec.ts";
import { dataIdentity, environment } from "./identity_codec.ts";
import { measures } from "./measures_codec.ts";
import { writeJson } from "./json_writer.ts";
import { runFacts, writtenFacts } from "./run_facts_codec.ts";
import { runOrigin } from "./run_origin_codec.ts";

const sampleName = decoder(
  `name of a sample (${SAMPLE_NAME})`,
  (value) => typeof value === "string" && isSampleName(value) ? value : undefined,
);

type DataOf<Type extends RunEvent["type"]> = Extract<RunEvent, { type: Type }>["data"];

const step: t.Decoder<unknown, DataOf<"StepTaken">> = partly({
  step: count,
  epoch: count,
  index: count,
  batch: digest,
  loss: float,
  gradNorm: float,
  learningRate: float,
}, { lossScale: float, fingerprint: object({ state: hexadecimal(32), tensors: hexadecimal(8) }) });

const sampleFile: t.Decoder<unknown, SampleFile> = object({
  name: sampleName,
  digest,
  bytes: count,
});

/** What each type of event has for data. A new type of event breaks the build here. */
const dataOf: { readonly [Type in RunEvent["type"]]: t.Decoder<unknown, DataOf<Type>> } = {
  RunStarted: partly({
    task: t.string,
    config: runConfig,
    data: dataIdentity,
    environment,
    state: digest,
  }, { heldOut: dataIdentity, code: digest, origin: runOrigin }),
  StepTaken: step,
  StepSkipped: step,
  EvaluationTaken: partly({ step: count, loss: float, samples: count }, {
    emaLoss: float,
    measures,
  }),
  SamplesTaken: object({ step: count, samples: t.array(sampleFile as t.Type<SampleFile>) }),
  EpochCompleted: object({ step: count, epoch: count }),
  SnapshotTaken: object({
    step: count,
    snapshot: digest,
    state: digest,
    reason: literals("scheduled", "best", "auto", "final", "paused"),
  }),
  SnapshotFailed: object({
    step: count,
    reason: literals("scheduled", "best", "auto", "final", "paused"),
    message: t.string,
  }),
  SnapshotPruned: object({ step: count, snapshot: digest }),
  SnapshotMaterialized: partly({
    step: count,
    snapshot: digest,
    state: digest,
    position: positive,
    epoch: count,
    index: count,
  }, { loss: float, evaluation: float }),
  ConfigChanged: object({
    step: count,
    changes: settings,
    class: literals("free", "training"),
  }),
  CodeChanged: object({ step: count, code: digest }),
  RunPaused: object({ step: count, reason: literals("until", "signal") }),
  RunResumed: partly({ step: count }, { environment }),
  RunRewound: object({ step: count, position: positive, history: digest, facts: runFacts }),
  RunCompleted: object({ step: count }),
  RunFailed: object({ step: count, message: t.string }),
};

const typed = object({ type: t.string, data: t.UnknownRecord });

/**
 * An event as JSON: numbers that JSON does not have become strings, and settings that say nothing are
 * left out.
 */
export function encodeEvent(event: RunEvent): Json {
  return encodeNumbers(written(event));
}

/** The canonical JSON of an event as `encodeEvent` gives it, in one pass. */
export function eventText(event: RunEvent): string {
  return writeJson(written(event), "name");
}

/** The event that `encodeEvent` wrote, or one line that says what is wrong with it. */
export function decodeEvent(value: unknown): E.Either<string, RunEvent> {
  const outer = decode(typed, value);
  if (E.isLeft(outer)) return outer;
  const { type, data } = outer.right;
  if (!Object.hasOwn(dataOf, type)) {
    return E.left(`expected a type of event that this foldlog knows, found "${type}"`);
  }
  const codec = dataOf[type as RunEvent["type"]];
  return E.map((decoded) => ({ type, data: decoded }) as RunEvent)(decode<unknown>(codec, data));
}

function written(event: RunEvent): unknown {
  const { type, data } = event;
  switch (type) {
    case "RunStarted":
      return { type, data: { ...data, config: writtenConfig(data.config) } };
    case "RunRewound":
      return { type, data: { ...data, facts: writtenFacts(data.facts) } };
    default:
      return event;
  }
}
