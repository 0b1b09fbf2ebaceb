import fc from "fast-check";
import { seal, type Stamp } from "../../src/codec/envelope_codec.ts";
import type { OptimizerName, Precision, RunConfig } from "../../src/core/config.ts";
import type { DataIdentity } from "../../src/core/data_identity.ts";
import type { Environment } from "../../src/core/environment.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { RecordedEvent } from "../../src/core/recorded_event.ts";
import type { RunOrigin } from "../../src/core/run_origin.ts";
import type { RunFacts } from "../../src/core/run_state.ts";

/** Any well-formed text, and texts that mean something elsewhere. */
export const text = fc.oneof(
  fc.constantFrom("", "NaN", "-0", "Infinity", "__proto__", "null", '"', "\\", "\u0000", "\u2028"),
  fc.array(
    fc.oneof(
      fc.integer({ min: 0, max: 0x7f }),
      fc.integer({ min: 0, max: 0xd7ff }),
      fc.integer({ min: 0xe000, max: 0x10ffff }),
    ),
    { maxLength: 8 },
  ).map((points) => String.fromCodePoint(...points)),
);

/** Any float, of 64 bits or of 32: NaN, infinities, both zeros and subnormals among them. */
export const float = fc.oneof(
  fc.constantFrom(NaN, Infinity, -Infinity, 0, -0, 5e-324, -5e-324, 2 ** -149, 2 ** -1022),
  fc.constantFrom(Number.MAX_VALUE, Math.fround(0.1), 0.1, 1e21, 1e-7, 2 ** 53 + 2),
  fc.double(),
  fc.float(),
);

/** A safe integer of at least 0. */
export const count = fc.oneof(fc.constantFrom(0, 1, 2 ** 53 - 1), fc.maxSafeNat());

const positive = fc.oneof(fc.constantFrom(1, 2 ** 53 - 1), fc.integer({ min: 1 }));

/** Any digest. */
export const digest = digits(64);

// What a setting holds is told by its JSON type, so a number that JSON does not have is left out.
const setting = fc.oneof(text, fc.boolean(), float.filter((x) => isFinite(x) && !Object.is(x, -0)));
const settingName = text.filter((name) => name !== "__proto__");
const settings = fc.dictionary(settingName, setting, {
  maxKeys: 4,
  noNullPrototype: true,
});

const kernels = fc.dictionary(
  fc.stringMatching(/^[A-Za-z][\w.]*$/),
  fc.stringMatching(/^[0-9a-f]{16}$/),
  { maxKeys: 3, noNullPrototype: true },
);

const environment: fc.Arbitrary<Environment> = fc.record(
  { backend: text, adapter: text, tfjs: text, runtime: text, platform: text, kernels },
  { requiredKeys: ["backend", "adapter", "tfjs", "runtime", "platform"] },
);

const config: fc.Arbitrary<RunConfig> = fc.record({
  seed: count,
  steps: fc.record({ max: count }),
  batch: fc.record({ size: count, micro: count, grain: count }),
  optimizer: fc.record({
    name: fc.constantFrom<OptimizerName>("sgd", "adam", "adamw", "lion", "adafactor"),
    learningRate: float,
    weightDecay: float,
    momentum: float,
    nesterov: fc.boolean(),
    beta1: float,
    beta2: float,
    epsilon: float,
  }),
  schedule: fc.record({
    name: fc.constantFrom("constant", "cosine", "step", "warmupStableDecay"),
    warmupSteps: count,
    factor: float,
    every: count,
    steps: fc.oneof(fc.constant(0), count),
  }),
  clip: fc.record({ norm: float, value: fc.oneof(fc.constant(0), float) }),
  data: fc.tuple(settings, fc.boolean()).map(([own, shuffle]) => ({ ...own, shuffle })),
  model: settings,
  save: fc.record({
    every: count,
    maxReplaySeconds: float,
    maxOverhead: float,
    best: fc.boolean(),
  }),
  evaluate: fc.record({ every: count, batches: count, patience: count }),
  ema: fc.record({ decay: float }),
  fingerprint: fc.record({ every: count }),
  precision: fc.constantFrom<Precision>("float32", "mixed_float16"),
  lossScale: fc.record({ initial: float, growthInterval: count }),
});

const dataFile = fc.record({ name: text, samples: fc.nat() });

const dataIdentity: fc.Arbitrary<DataIdentity> = fc.oneof(
  fc.record({ name: text, samples: count, digest }),
  fc.record({ name: text, digest, files: fc.array(dataFile, { maxLength: 3 }) }).map((files) => ({
    ...files,
    samples: files.files.reduce((sum, { samples }) => sum + samples, 0),
  })),
);

const originInRun: fc.Arbitrary<RunOrigin> = fc.record({
  parent: fc.record({ run: text, step: count, state: digest, history: digest, envelope: digest }),
  takes: fc.constantFrom("state", "weights"),
  snapshot: digest,
  step: count,
  epoch: count,
  index: count,
  leftOut: fc.record({
    samples: fc.array(count, { maxLength: 3 }),
    places: fc.array(fc.record({ epoch: count, index: count, count }), { maxLength: 3 }),
  }),
  divergence: count,
  into: text,
}, { requiredKeys: ["parent", "takes", "snapshot", "step", "epoch", "index"] });

const originInFile: fc.Arbitrary<RunOrigin> = fc.record({
  file: fc.record({ name: text, digest }),
  takes: fc.constant("weights"),
  snapshot: digest,
  step: count,
  epoch: count,
  index: count,
  into: text,
}, { requiredKeys: ["file", "takes", "snapshot", "step", "epoch", "index"] });

const origin = fc.oneof(originInRun, originInFile);

const lossAt = fc.record({ step: count, loss: float });

const measures = fc.dictionary(fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/), float, {
  minKeys: 1,
  maxKeys: 3,
  noNullPrototype: true,
});

const evaluationAt = fc.record({ step: count, loss: float, measures }, {
  requiredKeys: ["step", "loss"],
});

const facts: fc.Arbitrary<RunFacts> = fc.record({
  config,
  environment,
  code: digest,
  cursor: fc.record({ epoch: count, index: count }),
  skippedSteps: fc.nat(), // which later steps add to
  lastLoss: lossAt,
  trainEmaLoss: float,
  lastEvaluation: evaluationAt,
  bestEvaluation: evaluationAt,
  worseEvaluations: fc.nat(),
  bestTrainLoss: lossAt,
  failedSnapshot: count,
}, { requiredKeys: ["cursor"] });

const step = fc.record({
  step: count,
  epoch: count,
  index: count,
  batch: digest,
  loss: float,
  gradNorm: float,
  learningRate: float,
  lossScale: float,
  fingerprint: fc.record({ state: digits(32), tensors: digits(16) }),
}, { requiredKeys: ["step", "epoch", "index", "batch", "loss", "gradNorm", "learningRate"] });

type DataOf = { readonly [E in RunEvent as E["type"]]: fc.Arbitrary<E["data"]> };

/** What each type of event can hold. A new type of event breaks the build here. */
const dataOf: DataOf = {
  RunStarted: fc.record({
    task: text,
    config,
    data: dataIdentity,
    heldOut: dataIdentity,
    environment,
    code: digest,
    state: digest,
    origin,
  }, { requiredKeys: ["task", "config", "data", "environment", "state"] }),
  StepTaken: step,
  StepSkipped: step,
  EvaluationTaken: fc.record(
    { step: count, loss: float, samples: count, emaLoss: float, measures },
    { requiredKeys: ["step", "loss", "samples"] },
  ),
  SamplesTaken: fc.record({
    step: count,
    samples: fc.array(
      fc.record({
        name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
        digest,
        bytes: count,
      }),
      { maxLength: 3 },
    ),
  }),
  EpochCompleted: fc.record({ step: count, epoch: count }),
  SnapshotTaken: fc.record({
    step: count,
    snapshot: digest,
    state: digest,
    reason: fc.constantFrom("scheduled", "auto", "final", "paused"),
  }),
  SnapshotFailed: fc.record({
    step: count,
    reason: fc.constantFrom("scheduled", "auto", "final", "paused"),
    message: text,
  }),
  SnapshotPruned: fc.record({ step: count, snapshot: digest }),
  SnapshotMaterialized: fc.record({
    step: count,
    snapshot: digest,
    state: digest,
    position: positive,
    epoch: count,
    index: count,
    loss: float,
    evaluation: float,
  }, { requiredKeys: ["step", "snapshot", "state", "position", "epoch", "index"] }),
  ConfigChanged: fc.record({
    step: count,
    changes: settings,
    class: fc.constantFrom("free", "training"),
  }),
  CodeChanged: fc.record({ step: count, code: digest }),
  RunPaused: fc.record({ step: count, reason: fc.constantFrom("until", "signal") }),
  RunResumed: fc.record({ step: count, environment }, { requiredKeys: ["step"] }),
  RunRewound: fc.record({ step: count, position: positive, history: digest, facts }),
  RunCompleted: fc.record({ step: count }),
  RunFailed: fc.record({ step: count, message: text }),
};

/** Any event, by its type. */
export const eventsByType: readonly fc.Arbitrary<RunEvent>[] = Object.entries(dataOf).map((
  [type, data],
) => (data as fc.Arbitrary<unknown>).map((data) => plain({ type, data }) as RunEvent));
/** Any event. */
export const event: fc.Arbitrary<RunEvent> = fc.oneof(...eventsByType);

/** Any stamp. */
export const stamp: fc.Arbitrary<Stamp> = fc.record({
  recordedAt: fc.date({
    min: new Date("0001-01-01T00:00:00.000Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  }).map((date) => date.toISOString()),
  session: fc.integer({ min: 1 }),
});

/** Events in their envelopes, each chained to the one before. */
export const chain: fc.Arbitrary<readonly RecordedEvent[]> = fc
  .array(fc.tuple(event, stamp), { minLength: 1, maxLength: 6 })
  .map((entries) => {
    const recorded: RecordedEvent[] = [];
    for (const [event, stamp] of entries) recorded.push(seal(recorded.at(-1), event, stamp));
    return recorded;
  });

/** The value in objects with the usual prototype, as `decodeEvent` makes them. */
function plain(value: unknown): unknown {
  if (!isObject(value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function digits(count: number): fc.Arbitrary<string> {
  const unit = fc.constantFrom(..."0123456789abcdef");
  return fc.string({ unit, minLength: count, maxLength: count });
}
