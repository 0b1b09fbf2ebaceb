import { defaultConfig } from "../core/config.ts";
import type { RunEvent, StepTaken } from "../core/event.ts";

const DIGEST = "ab".repeat(32);

const environment = {
  backend: "cpu",
  adapter: "JavaScript",
  tfjs: "4.22.0",
  runtime: "deno",
  platform: "x86_64-linux",
};

/** The event that begins a run. */
export const started: RunEvent = {
  type: "RunStarted",
  data: {
    task: "line",
    config: defaultConfig,
    data: { name: "xs", samples: 4, digest: DIGEST },
    environment,
    state: DIGEST,
  },
};

/** A step whose floats are `value` and what follows from it. */
export function stepTaken(step: number, value = step / 3): RunEvent {
  return {
    type: "StepTaken",
    data: {
      step,
      epoch: 0,
      index: step,
      batch: DIGEST,
      loss: value,
      gradNorm: -value,
      learningRate: value / 7,
    },
  };
}

/** A step that was skipped at a loss scale. */
export function stepSkipped(step: number, lossScale: number): RunEvent {
  const { data } = stepTaken(step) as StepTaken;
  return { type: "StepSkipped", data: { ...data, gradNorm: Infinity, lossScale } };
}

/** A snapshot that is taken of a step. */
export function snapshotTaken(step: number): RunEvent {
  return {
    type: "SnapshotTaken",
    data: { step, snapshot: digestOf(step), state: DIGEST, reason: "scheduled" },
  };
}

/** An event of each type, and of each form that it has. */
export const everyEvent: readonly RunEvent[] = [
  started,
  stepTaken(1),
  stepSkipped(2, 65536),
  { type: "EvaluationTaken", data: { step: 2, loss: 0.1, samples: 16 } },
  {
    type: "EvaluationTaken",
    data: { step: 2, loss: 0.1, samples: 16, emaLoss: 0.05, measures: { accuracy: 0.75 } },
  },
  {
    type: "SamplesTaken",
    data: { step: 2, samples: [{ name: "step_2_a.png", digest: DIGEST, bytes: 67 }] },
  },
  { type: "EpochCompleted", data: { step: 2, epoch: 0 } },
  {
    type: "SnapshotTaken",
    data: { step: 2, snapshot: DIGEST, state: DIGEST, reason: "scheduled" },
  },
  {
    type: "SnapshotFailed",
    data: { step: 2, reason: "final", message: "No space left on device (os error 28)" },
  },
  { type: "SnapshotPruned", data: { step: 2, snapshot: DIGEST } },
  { type: "RunPaused", data: { step: 2, reason: "signal" } },
  { type: "RunResumed", data: { step: 2 } },
  { type: "RunPaused", data: { step: 2, reason: "until" } },
  { type: "RunResumed", data: { step: 2, environment } },
  { type: "RunFailed", data: { step: 2, message: "out of paper" } },
  { type: "RunResumed", data: { step: 2 } },
  { type: "ConfigChanged", data: { step: 2, changes: { "steps.max": 3 }, class: "free" } },
  { type: "CodeChanged", data: { step: 2, code: DIGEST } },
  {
    type: "SnapshotMaterialized",
    data: { step: 2, snapshot: DIGEST, state: DIGEST, position: 6, epoch: 1, index: 0, loss: 1 },
  },
  {
    type: "RunRewound",
    data: {
      step: 1,
      position: 2,
      history: DIGEST,
      facts: { cursor: { epoch: 0, index: 16 }, lastLoss: { step: 1, loss: NaN }, environment },
    },
  },
  { type: "RunCompleted", data: { step: 2 } },
];

/** Some digest that differs from step to step. */
function digestOf(step: number): string {
  return step.toString(16).padStart(64, "0");
}
