import {
  batchToDevice,
  type DataCursor,
  dataOrder,
  type Device,
  type Digest,
  foldIn,
  initialTrainState,
  key,
  leavesOf,
  mapTree,
  optimizerOf,
  release,
  type RunConfig,
  type SampleFile,
  scheduleOf,
  scheduleSteps,
  scoped,
  startOfData,
  tensorsOf,
  type TrainState,
  trainStep,
  type Tree,
} from "foldlog";
import { batchDigest, canonicalJson, leafDigests, sha256, stateDigest } from "foldlog/codec";
import { modelTask, samplesOf } from "./model_task.ts";

/** A state on some path of settings, and the step that led to it. */
export interface Place {
  /** Names the path: where it began, and the settings of every step. */
  readonly path: string;
  readonly step: number;
  readonly cursor: DataCursor;
  readonly state: Digest;
  /** What is recorded of the step; absent where a path begins. */
  readonly taken?: {
    readonly batch: Digest;
    readonly loss: number;
    readonly gradNorm: number;
    readonly learningRate: number;
  };
}

/**
 * Trains every path of settings straight through in memory, each step of each path once: a step has the
 * settings that were in effect, and knows of no log, snapshot or resume.
 */
export interface Oracle extends AsyncDisposable {
  readonly begin: (config: RunConfig) => Promise<Place>;
  readonly next: (place: Place, config: RunConfig) => Promise<Place>;
  /** A new training with the parameters of a place. */
  readonly weights: (place: Place, config: RunConfig) => Promise<Place>;
  /** The loss on the held-out data. */
  readonly evaluation: (place: Place, config: RunConfig) => Promise<number>;
  /** What the evaluation of a place makes for people. */
  readonly samples: (place: Place) => Promise<readonly SampleFile[]>;
}

interface Known {
  readonly place: Place;
  readonly state: TrainState;
}

/** An oracle that knows nothing yet. It owns the states of its paths until it is disposed of. */
export function oracleOf(device: Device): Oracle {
  const known = new Map<string, Known>();
  const losses = new Map<string, number>();

  async function once(path: string, make: () => Promise<Made>): Promise<Place> {
    const before = known.get(path);
    if (before !== undefined) return before.place;
    const { state, ...about } = await make();
    const digest = await digestOf(device, state);
    const place: Place = { path, step: state.step, state: digest, ...about };
    known.set(path, { place, state });
    return place;
  }

  function beginWith(path: string, config: RunConfig, init: () => Tree): Promise<Place> {
    return once(path, () => {
      const state = initialTrainState(init, optimizerOf(config));
      return Promise.resolve({ state, cursor: startOfData });
    });
  }

  return {
    begin(config) {
      const init = () => modelTask(config).init(foldIn(key(config.seed), "init"));
      return beginWith(`begin ${settingsOf(config)}`, config, init);
    },
    weights(place, config) {
      const { params } = known.get(place.path)!.state;
      const init = () => mapTree((leaf) => leaf.clone(), params);
      return beginWith(`weights (${place.path})`, config, init);
    },
    next(place, config) {
      const path = sha256(place.path, settingsOf(config));
      return once(path, () => step(device, known.get(place.path)!, config));
    },
    async evaluation({ path }, config) {
      const id = `${path} ${config.batch.micro}`;
      const loss = losses.get(id) ?? await evaluate(device, known.get(path)!.state, config);
      losses.set(id, loss);
      return loss;
    },
    async samples({ path, step }) {
      const made = await samplesOf(known.get(path)!.state.params, device, step);
      return made.map(({ name, bytes }) => {
        return { name, digest: sha256(bytes), bytes: bytes.length };
      });
    },
    [Symbol.asyncDispose]() {
      for (const { state } of known.values()) release(tensorsOf(state));
      known.clear();
      return Promise.resolve();
    },
  };
}

type Made = Omit<Place, "path" | "step" | "state"> & { readonly state: TrainState };

/** What a step depends on: the free settings are not among it. */
function settingsOf(config: RunConfig): string {
  const { seed, batch, optimizer, schedule, clip, data, model } = config;
  const length = scheduleSteps(config);
  return canonicalJson(
    {
      seed,
      batch,
      optimizer,
      schedule: { ...schedule, steps: length },
      clip,
      data,
      model,
    } as never,
  );
}

async function step(
  device: Device,
  { place: { cursor }, state: before }: Known,
  config: RunConfig,
): Promise<Made> {
  const task = modelTask(config);
  const root = key(config.seed);
  const { samples } = task.data.identity;
  const { shuffle } = config.data;
  const order = dataOrder({ samples, key: foldIn(root, "data"), shuffle });
  const { size, micro } = config.batch;
  const numbers = order.samplesAt(cursor, size);
  const batches = [];
  for (let from = 0; from < size; from += micro) {
    batches.push(await task.data.at(numbers.slice(from, from + micro)));
  }
  const { emaDecay, precision, lossScale } = {
    emaDecay: 0,
    precision: "float32" as const,
    lossScale: config.lossScale,
  };
  const training = {
    loss: task.loss,
    optimizer: optimizerOf(config),
    schedule: scheduleOf(config),
    key: foldIn(root, "train"),
    emaDecay,
    precision,
    lossScale,
  };
  const { state, metrics: { values, learningRate } } = trainStep(training, before, batches);
  const { data } = await device.read(values);
  release(values);
  const [loss, gradNorm] = data as Float32Array;
  return {
    state,
    cursor: order.advance(cursor, size),
    taken: {
      batch: sha256(...batches.map(batchDigest)),
      loss: loss!,
      gradNorm: gradNorm!,
      learningRate,
    },
  };
}

async function evaluate(
  device: Device,
  { params }: TrainState,
  config: RunConfig,
): Promise<number> {
  const { data, loss } = modelTask(config).evaluation!;
  const batch = await data.at(Array.from({ length: config.batch.micro }, (_, number) => number));
  const scalar = scoped(() => loss(params, batchToDevice(batch)));
  const { data: [value] } = await device.read(scalar);
  release(scalar);
  return value!;
}

async function digestOf(device: Device, state: TrainState): Promise<Digest> {
  const groups = [];
  for (const [name, tree] of Object.entries(tensorsOf(state))) {
    const tensors = new Map();
    for (const [path, leaf] of leavesOf(tree as Tree)) tensors.set(path, await device.read(leaf));
    groups.push([name, tensors] as const);
  }
  return stateDigest(leafDigests(Object.fromEntries(groups)));
}
