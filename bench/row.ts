/** One measurement, in the form that `deno task bench --json` writes. */
export interface Row {
  readonly subject: string;
  readonly case: string;
  readonly backend: string;
  readonly value: number;
  readonly unit: string;
  /** What the value is measured against, in the same run. */
  readonly peer: string;
  /** `value` over the peer's, or its share of it. */
  readonly ratio: number;
  /** The peer's own figure in the same unit, where it has one. */
  readonly peerValue?: number;
  readonly better: "lower" | "higher";
  /** Whether the interrupted run had the bits of the uninterrupted one, where that is the question. */
  readonly equalBits?: boolean;
  /** Steps that a resume computed again. */
  readonly recomputed?: number;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
