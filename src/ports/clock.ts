/** The time of day, for envelopes alone: no training depends on it. */
export interface Clock {
  /** Now as ISO 8601 in UTC with milliseconds. */
  readonly now: () => string;
}
