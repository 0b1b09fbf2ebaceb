import type { Environment } from "../../src/core/environment.ts";
import type { RunEvent } from "../../src/core/event.ts";
import { EVENT_FORMAT } from "../../src/core/recorded_event.ts";
import { type Snapshot, SNAPSHOT_FORMAT } from "../../src/core/snapshot.ts";
import type { Stamp } from "../../src/codec/envelope_codec.ts";

/**
 * A run made up by hand that has every type of event of format 1, each optional member with and
 * without, and every kind of number. It is in `format_1/` as bytes; change it and they no longer match.
 */
const eventsOfFormat1: readonly RunEvent[] = [
  {
    type: "RunStarted",
    data: {
      task: "golden",
      config: {
        seed: 42,
        steps: { max: 4 },
        batch: { size: 4, micro: 2, grain: 0 }, // nor this one
        optimizer: {
          name: "adamw",
          learningRate: 0.001,
          weightDecay: 0,
          momentum: 0,
          nesterov: false, // in no text: this config is older than the setting
          beta1: 0.9,
          beta2: 0.999,
          epsilon: 1e-8,
        },
        schedule: { name: "cosine", warmupSteps: 1, factor: 0.1, every: 100, steps: 0 }, // nor this one
        clip: { norm: 1, value: 0 },
        data: { shuffle: true, file: "moby-dick \u{1f433}.txt", holdOut: 0.1 },
        model: { layers: 2, tied: true, name: "NaN" },
        save: { every: 2, maxReplaySeconds: 0, maxOverhead: 0.02, best: false }, // nor the last two
        evaluate: { every: 2, batches: 1, patience: 0 },
        ema: { decay: 0 }, // nor this group
        fingerprint: { every: 0 }, // nor this one
        precision: "float32", // nor this
        lossScale: { initial: 65536, growthInterval: 2000 }, // nor this group
      },
      data: { name: "moby", samples: 6, digest: "0123456789abcdef".repeat(4) },
      environment: environment("cpu"),
      state: digest("a"),
    },
  },
  step(1, { epoch: 0, index: 4, loss: 5.545177459716797, gradNorm: 1.1754943508222875e-38 }),
  step(2, { epoch: 1, index: 2, loss: NaN, gradNorm: Infinity }),
  { type: "EpochCompleted", data: { step: 2, epoch: 0 } },
  { type: "EvaluationTaken", data: { step: 2, loss: 5.25, samples: 2 } },
  {
    type: "SnapshotTaken",
    data: { step: 2, snapshot: digest("b"), state: digest("c"), reason: "scheduled" },
  },
  { type: "RunPaused", data: { step: 2, reason: "signal" } },
  { type: "RunResumed", data: { step: 2, environment: environment("wasm") } },
  step(3, { epoch: 2, index: 0, loss: -0, gradNorm: 1.401298464324817e-45 }),
  { type: "EpochCompleted", data: { step: 3, epoch: 1 } },
  { type: "RunFailed", data: { step: 3, message: 'no such file: "\u{1f433}\n\u0000" \\ NaN' } },
  { type: "RunResumed", data: { step: 3 } },
  {
    type: "SnapshotTaken",
    data: { step: 3, snapshot: digest("d"), state: digest("e"), reason: "paused" },
  },
  { type: "RunPaused", data: { step: 3, reason: "until" } },
  { type: "RunResumed", data: { step: 3 } },
  step(4, { epoch: 2, index: 4, loss: -Infinity, gradNorm: 3.4028234663852886e38 }),
  { type: "EvaluationTaken", data: { step: 4, loss: 0.1, samples: 2 } },
  {
    type: "SnapshotTaken",
    data: { step: 4, snapshot: digest("f"), state: digest("0"), reason: "final" },
  },
  { type: "RunCompleted", data: { step: 4 } },
];

/** The golden events by format: each has what the one before has, and what it added. */
export const goldenEventsOf: Readonly<Record<number, readonly RunEvent[]>> = {
  1: eventsOfFormat1,
  2: [
    ...eventsOfFormat1.slice(0, -2),
    {
      type: "SnapshotFailed",
      data: { step: 4, reason: "final", message: 'no space left at "\u{1f433}"' },
    },
    ...eventsOfFormat1.slice(-2),
    { type: "SnapshotPruned", data: { step: 2, snapshot: digest("b") } },
  ],
};

/** Those of today's format. */
export const goldenEvents = goldenEventsOf[EVENT_FORMAT]!;

/** The stamp of the event at `position`: a day apart, a session more after each RunResumed. */
export function goldenStamp(position: number, events = goldenEvents): Stamp {
  const resumed = events.slice(0, position + 1).filter(({ type }) => type === "RunResumed");
  return {
    recordedAt: new Date(Date.UTC(2026, 0, 1 + position, 12, 30, 15, 123)).toISOString(),
    session: 1 + resumed.length,
  };
}

/** The golden snapshots by format: in format 1 a snapshot did not know its history. */
export const goldenSnapshotOf: Readonly<Record<number, Snapshot>> = {
  1: snapshotOfFormat1(),
  2: { ...snapshotOfFormat1(), history: digest("9") },
};

/** That of today's format. */
export const goldenSnapshot = goldenSnapshotOf[SNAPSHOT_FORMAT]!;

/** A snapshot of two groups whose floats JSON and arithmetic would lose: a NaN's payload, -0, subnormals. */
function snapshotOfFormat1(): Snapshot {
  return {
    task: "golden",
    step: 3,
    cursor: { epoch: 2, index: 0 },
    groups: {
      model: new Map([
        [
          "h.0.weight",
          {
            dtype: "float32",
            shape: [2, 3],
            data: new Float32Array(
              Uint32Array.of(0x3f800000, 0x80000000, 0x7fc12345, 0xff800000, 1, 0x7f7fffff).buffer,
            ),
          },
        ],
        ["h.0.bias", { dtype: "float32", shape: [3], data: Float32Array.of(0.5, -0.25, 1e-7) }],
      ]),
      optimizer: new Map([
        ["counts", { dtype: "int32", shape: [2], data: Int32Array.of(-(2 ** 31), 7) }],
        ["empty", { dtype: "float32", shape: [0, 4], data: new Float32Array(0) }],
        ["scale", { dtype: "float32", shape: [], data: Float32Array.of(1024) }],
      ]),
    },
  };
}

function step(
  step: number,
  rest: {
    readonly epoch: number;
    readonly index: number;
    readonly loss: number;
    readonly gradNorm: number;
  },
): RunEvent {
  const data = { step, batch: digest(String(step)), learningRate: 0.001 / step, ...rest };
  return { type: "StepTaken", data };
}

function environment(backend: string): Environment {
  return {
    backend,
    adapter: "JavaScript",
    tfjs: "4.22.0",
    runtime: "deno 2.9.6 (v8 15.0.245.2)",
    platform: "x86_64-linux",
  };
}

function digest(digit: string): string {
  return digit.repeat(64);
}
