import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import * as TE from "fp-ts/TaskEither.js";
import {
  arraySource,
  type BatchSource,
  defineTask,
  dense,
  type Device,
  dropout,
  foldIn,
  type HostTensor,
  isTrainingFact,
  key,
  type LogWriter,
  memoryStore,
  mergeConfig,
  normal,
  orThrow,
  type PartialConfig,
  type RngKey,
  type RunConfig,
  type RunEnv,
  type RunEvent,
  type Store,
  type Task,
  type TrainOptions,
  trainRun,
} from "foldlog";
import { canonicalJson, encodeEvent } from "foldlog/codec";
import * as tf from "foldlog/tf";
import { leaksNothing } from "./backends.ts";

/** The name of the run in all stores of this file. */
export const RUN = "run";

/** Samples of the task's data: a batch of 6 ends an epoch in steps 2, 4, 5, 7, 9, 10 and 12. */
export const SAMPLES = 10;

/** The steps of the task. */
export const STEPS = 12;

const CONFIG: PartialConfig = {
  seed: 3,
  steps: { max: STEPS },
  batch: { size: 6, micro: 2 }, // three passes a step
  optimizer: { name: "adamw", learningRate: 0.05, weightDecay: 0.1 },
  schedule: { name: "cosine", warmupSteps: 4 },
  clip: { norm: 1, value: 0.5 },
  save: { every: 4 },
  evaluate: { every: 3, batches: 2 },
  fingerprint: { every: 5 },
};

/** How sessions of a run end before it is complete, the first first. */
export type Stop = "paused" | "killed";

/** A small task with everything that a resume could lose; each is made anew, as a new process would. */
export function hazardTask(changes: PartialConfig = {}, samples: number = SAMPLES): Task {
  return defineTask({
    name: "hazard",
    config: mergeConfig(CONFIG as RunConfig, changes),
    data: points("points", samples),
    evaluation: {
      data: points("held out", 5),
      loss: (layers: Layers, { x, y }) => meanSquare(output(layers, x as tf.Tensor2D, 0), y),
      measures: (layers: Layers, { x, y }) => ({
        farthest: tf.max(tf.abs(tf.sub(output(layers, x as tf.Tensor2D, 0), y))),
      }),
    },
    init: (key): Layers => [layer(foldIn(key, 0), 2, 4), layer(foldIn(key, 1), 4, 1)],
    loss: (layers, { x, y }, key) => meanSquare(output(layers, x as tf.Tensor2D, 0.25, key), y),
  });
}

/** Points whose values are those of their name. */
export function points(name: string, samples: number): BatchSource<Points> {
  const root = foldIn(key(1), name);
  return arraySource(name, {
    x: { dtype: "float32", shape: [samples, 2], data: normal(foldIn(root, "x"), samples * 2) },
    y: { dtype: "float32", shape: [samples, 1], data: normal(foldIn(root, "y"), samples) },
  });
}

type Points = { readonly x: HostTensor; readonly y: HostTensor };
type Layer = { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D };
type Layers = readonly [Layer, Layer];

function layer(key: RngKey, inputs: number, outputs: number): Layer {
  const weight = tf.tensor2d(normal(key, inputs * outputs), [inputs, outputs]);
  return { weight, bias: tf.zeros([outputs]) };
}

function output([first, second]: Layers, x: tf.Tensor2D, rate: number, by: RngKey = key(0)) {
  const hidden = tf.tanh(dense(x, first.weight, first.bias));
  return dense(dropout(hidden, rate, by), second.weight, second.bias);
}

function meanSquare(predicted: tf.Tensor, y: tf.Tensor): tf.Scalar {
  return tf.mean(tf.square(tf.sub(predicted, y)));
}

/**
 * Trains a task to its end in as many sessions as there are steps to stop after, and one more. Each
 * session has a task of its own, and between two of them an unrelated run is trained.
 */
export async function trained(
  device: Device,
  make: () => Task,
  steps: readonly number[] = [],
  stop: Stop = "paused",
  store: Store = memoryStore(),
): Promise<Store> {
  for (const step of steps) {
    if (stop === "paused") await train(device, store, make(), { until: step });
    else await killedAfter(device, store, make(), step);
    await train(device, memoryStore(), hazardTask({ seed: 9, steps: { max: 2 } }, 7));
  }
  const status = await train(device, store, make());
  assert.equal(status, "completed");
  return store;
}

/**
 * Expects that a task which is stopped after these steps, paused or killed, has the facts of one that
 * is not stopped, byte for byte. The digests of its final state are among them.
 */
export async function expectSame(
  device: Device,
  make: () => Task,
  steps: readonly number[],
): Promise<void> {
  const expected = await factsOf(await trained(device, make));
  for (const stop of ["paused", "killed"] as const) {
    assert.deepEqual(await factsOf(await trained(device, make, steps, stop)), expected, stop);
  }
}

/** One session of a run; gives how it ended. */
export async function train(
  device: Device,
  store: Store,
  task: Task,
  options: TrainOptions = {},
): Promise<string> {
  const { status } = await leaksNothing(() =>
    orThrow(trainRun({ store, device }, RUN, task, options))
  );
  return status;
}

/** A session whose process is killed when all of a step is in the log, and nothing of the next. */
export async function killedAfter(
  device: Device,
  store: Store,
  task: Task,
  step: number,
): Promise<void> {
  await killedAt(store, (event) => stepOf(event) > step, (store) => ({ store, device }), task);
}

/**
 * A session whose process is killed when it would record an event of which `last` holds. `env` gives it
 * its environment.
 */
export async function killedAt(
  store: Store,
  last: (event: RunEvent) => boolean,
  env: (store: Store) => RunEnv,
  task: Task,
): Promise<void> {
  const reason = "the process was killed";
  const dead = TE.left(
    { type: "LogUnavailable", action: "append", place: "test", reason } as const,
  );
  const mortal = (writer: LogWriter): LogWriter => ({
    ...writer,
    append: (events, version) => events.some(last) ? dead : writer.append(events, version),
  });
  const log = { ...store.log, open: (run: string) => TE.map(mortal)(store.log.open(run)) };
  const result = await leaksNothing(() => trainRun(env({ ...store, log }), RUN, task)());
  assert.ok(E.isLeft(result) && result.left.type === "LogUnavailable", JSON.stringify(result));
}

/** Expects that a session is refused with an error of this type, and leaves the log as it was. */
export async function expectRefused(
  device: Device,
  store: Store,
  task: Task,
  type: string,
): Promise<void> {
  const before = await eventsOf(store);
  const result = await leaksNothing(() => trainRun({ store, device }, RUN, task)());
  assert.ok(E.isLeft(result), `expected ${type}, and it went on`);
  assert.equal(result.left.type, type);
  assert.deepEqual(await eventsOf(store), before);
}

/** What was trained, one line an event. */
export async function factsOf(store: Store): Promise<readonly string[]> {
  const facts = (await eventsOf(store)).filter(isTrainingFact);
  return facts.map((event) => canonicalJson(encodeEvent(event)));
}

/** The data of the run's events of one type. */
export async function dataOf<T extends RunEvent["type"]>(
  store: Store,
  type: T,
): Promise<readonly DataOf<T>[]> {
  const found = (await eventsOf(store)).filter((event) => event.type === type);
  return found.map(({ data }) => data as DataOf<T>);
}

type DataOf<T> = Extract<RunEvent, { readonly type: T }>["data"];

/** The events of the run. */
export async function eventsOf(store: Store): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(store.log.read(RUN));
  return events.map(({ event }) => event);
}

/** The task, with what its loss and its data are asked for written down. */
export function watched(
  task: Task,
  { keys = [], numbers = [] }: { readonly keys?: RngKey[]; readonly numbers?: number[][] },
): Task {
  return {
    ...task,
    data: {
      ...task.data,
      at(samples) {
        numbers.push([...samples]);
        return task.data.at(samples);
      },
    },
    loss(params, batch, key) {
      keys.push(key);
      return task.loss(params, batch, key);
    },
  };
}

/** The step that an event is of; 0 for the first. */
export function stepOf({ data }: RunEvent): number {
  return "step" in data ? data.step : 0;
}
