/**
 * Measures how long work takes, for the spacing of snapshots (`save.maxReplaySeconds`) alone: no bit of a
 * training depends on it.
 */
export interface Stopwatch {
  /** Milliseconds since some moment, with fractions. Never goes back, whatever is done to the clock. */
  readonly elapsed: () => number;
}
