/** A model in training, as a contender of the step benchmark has it in its own process. */
export interface Trainee {
  /** What trains it, with its version and threads, for people. */
  readonly name: string;
  /** Makes one step, reads the loss back, and returns it. */
  readonly step: () => Promise<number>;
  /** What it holds, where the contender can tell. */
  readonly memory?: () => Promise<TraineeMemory>;
}

/** What a trainee holds on its device. */
export interface TraineeMemory {
  /** Between steps. */
  readonly tensors: number;
  /** The most at any time of one step, in bytes. */
  readonly peakBytes: number;
}
