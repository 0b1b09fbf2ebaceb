/** The names of the optimisers that a config can choose. */
export type OptimizerName = "sgd" | "adam" | "adamw" | "lion" | "adafactor";

/** The names of the learning-rate schedules that a config can choose. */
export type ScheduleName = "constant" | "cosine" | "step" | "warmupStableDecay";

/**
 * How products are computed. `mixed_float16`: their operands are rounded to float16, all else is float32,
 * the weights too, and the loss is scaled.
 */
export type Precision = "float32" | "mixed_float16";

/** Settings of a recipe's own (`model.*`, `data.*`): flat, JSON-safe. */
export type Settings = Readonly<Record<string, number | string | boolean>>;

/**
 * Everything that determines a training besides its code and data; recorded in RunStarted.
 *
 * Every member has a dotted path (`optimizer.learningRate`) for `--set` and config files.
 */
export interface RunConfig {
  /** Root of every random number: initial parameters, data order, dropout. */
  readonly seed: number;
  /** `max`: optimiser updates in the plan; also the length of a schedule that has none of its own. */
  readonly steps: { readonly max: number };
  /**
   * `size`: samples an optimiser step. `micro`: samples of a forward and backward pass, a divisor of it.
   * `grain`: 0, or a divisor of `micro`; a pass is then over so many samples instead, and any `micro`
   * that is a multiple of it gives the same bits.
   */
  readonly batch: { readonly size: number; readonly micro: number; readonly grain: number };
  readonly optimizer: {
    readonly name: OptimizerName;
    /** Peak rate: what the schedule's factor multiplies. */
    readonly learningRate: number;
    /** Decoupled weight decay of adamw, lion and adafactor, on parameters of two or more dimensions. */
    readonly weightDecay: number;
    /**
     * sgd: share of the velocity that is kept; 0 is plain gradient descent. adafactor: share of the mean
     * of its updates that is kept; 0 keeps none.
     */
    readonly momentum: number;
    /** sgd: whether the momentum is Nesterov's. */
    readonly nesterov: boolean;
    /** adam, adamw and lion. Lion's authors have 0.9 and 0.99. */
    readonly beta1: number;
    readonly beta2: number;
    /** adam and adamw. */
    readonly epsilon: number;
  };
  readonly schedule: {
    readonly name: ScheduleName;
    /** Updates of linear warm-up from 0, for every schedule. */
    readonly warmupSteps: number;
    /** The rate at the end (cosine, warmupStableDecay), or the factor of one drop (step), as a share. */
    readonly factor: number;
    /** step: updates between drops; warmupStableDecay: updates of the decay at the end. */
    readonly every: number;
    /** Updates from the first to the end of the schedule; 0: `steps.max`. After them the rate stays. */
    readonly steps: number;
  };
  /**
   * `value`: each element of the gradients is brought to within this of 0; `norm`: then they are scaled
   * down to this global norm. 0 turns either off.
   */
  readonly clip: { readonly norm: number; readonly value: number };
  /** `shuffle`: each epoch in an order of its own; otherwise always 0, 1, 2, ... */
  readonly data: Settings & { readonly shuffle: boolean };
  readonly model: Settings;
  /**
   * `every`: steps between snapshots; 0 takes one only at the end and at a pause.
   *
   * `maxReplaySeconds`: above 0, snapshots are spaced by measured time instead and `every` is ignored: one
   * is due when the steps since the last took so many seconds, or longer where its cost would be more than
   * the share `maxOverhead` of the time that they took.
   *
   * `best`: besides, one wherever an evaluation is better than all before it.
   */
  readonly save: {
    readonly every: number;
    readonly maxReplaySeconds: number;
    readonly maxOverhead: number;
    readonly best: boolean;
  };
  /**
   * `every`: steps between evaluations (0: none); `batches`: held-out batches of `batch.micro` samples in
   * one evaluation;
   * `patience`: evaluations in a row without a better one after which the training ends (0: never).
   */
  readonly evaluate: {
    readonly every: number;
    readonly batches: number;
    readonly patience: number;
  };
  /**
   * `decay`: share of the parameters' average that is kept at each step; it is evaluated beside them, and
   * is what a sample is drawn from. 0 keeps no average.
   */
  readonly ema: { readonly decay: number };
  /** `every`: steps between fingerprints of the state in the log; 0 takes none. */
  readonly fingerprint: { readonly every: number };
  readonly precision: Precision;
  /**
   * mixed_float16: what the loss is multiplied by, so that small gradients do not vanish in float16.
   * `initial`: at step 0, a power of two; `growthInterval`: steps in a row with finite gradients after
   * which it is doubled. It is halved where they are not finite.
   */
  readonly lossScale: { readonly initial: number; readonly growthInterval: number };
}

/** Optimiser updates from the first to the end of the schedule. */
export function scheduleSteps({ schedule, steps }: Pick<RunConfig, "schedule" | "steps">): number {
  return schedule.steps === 0 ? steps.max : schedule.steps;
}

/** Samples of one forward and backward pass. */
export function grainOf({ batch }: Pick<RunConfig, "batch">): number {
  return batch.grain === 0 ? batch.micro : batch.grain;
}

/** Values for every setting; a recipe or a user's task replaces the ones it cares about. */
export const defaultConfig: RunConfig = {
  seed: 42,
  steps: { max: 1000 },
  batch: { size: 8, micro: 8, grain: 0 },
  optimizer: {
    name: "adamw",
    learningRate: 1e-3,
    weightDecay: 0,
    momentum: 0,
    nesterov: false,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
  },
  schedule: { name: "constant", warmupSteps: 0, factor: 0.1, every: 100, steps: 0 },
  clip: { norm: 0, value: 0 },
  data: { shuffle: true },
  model: {},
  save: { every: 50, maxReplaySeconds: 0, maxOverhead: 0.02, best: false },
  evaluate: { every: 0, batches: 0, patience: 0 },
  ema: { decay: 0 },
  fingerprint: { every: 10 },
  precision: "float32",
  lossScale: { initial: 65536, growthInterval: 2000 },
};

/** A config of which any member may be left out. */
export type PartialConfig = {
  readonly [K in keyof RunConfig]?: RunConfig[K] extends object ? Partial<RunConfig[K]>
    : RunConfig[K];
};

/** `base` with the members that `changes` names replaced, group by group. */
export function mergeConfig(base: RunConfig, changes: PartialConfig): RunConfig {
  const groups = Object.entries(changes).map(([group, change]) => {
    const before = base[group as keyof RunConfig];
    return [group, typeof before === "object" ? { ...before, ...(change as object) } : change];
  });
  return { ...base, ...Object.fromEntries(groups) };
}
