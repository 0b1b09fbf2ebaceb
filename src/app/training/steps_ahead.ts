import type { Journal } from "./journal.ts";

/**
 * Steps whose results are still read back while the next are dispatched: a device that computes beside
 * the loop has work meanwhile. What was read is recorded in the order of the steps, however the reads end.
 */
export interface StepsAhead {
  /**
   * Records what `reading` gives, after all that was added before. Waits until at most `limit` of what
   * was added are neither read nor recorded; with a limit of 0 until this one is. While something is
   * done aside, the journal lets records wait, and only reads are waited for.
   *
   * Rejects with what an earlier read or record, or this one, rejected with; nothing after it is recorded.
   */
  readonly add: <Measured>(
    reading: Promise<Measured>,
    limit: number,
    record: (measured: Measured) => Promise<void>,
  ) => Promise<void>;
  /** Waits until nothing is read any more, whatever came of it. */
  readonly settle: () => Promise<void>;
}

/** No steps yet, over the journal that takes their records. */
export function openStepsAhead(journal: Journal): StepsAhead {
  const underWay: Promise<unknown>[] = [];
  let reads: Promise<unknown> = Promise.resolve();

  return {
    async add(reading, limit, record) {
      reads = Promise.allSettled([reads, reading]);
      const done = Promise.all([reading, journal.add(async () => await record(await reading))]);
      done.catch(() => {}); // who waits for it, or drains the journal, is told
      underWay.push(done);
      while (underWay.length > limit) await underWay.shift();
    },
    settle: async () => void await reads,
  };
}
