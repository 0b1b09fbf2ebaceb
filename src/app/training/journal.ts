/**
 * Work that is done in the order in which it was added: the log's events have one order, however long
 * a snapshot takes to be stored.
 */
export interface Journal {
  /**
   * Does work after all that was added before. Resolves when it is done; while something is done
   * aside, at once. Rejects with what any work before it rejected with.
   */
  readonly add: (work: () => Promise<void>) => Promise<void>;
  /** Adds work that nobody waits for; what is added after it does not wait either until it is done. */
  readonly addAside: (work: () => Promise<void>) => void;
  /**
   * Waits until nothing is under way any more; then rejects with the first failure, where there is one.
   * After it no more work is done.
   */
  readonly drain: () => Promise<void>;
}

/** A journal with nothing in it. */
export function openJournal(): Journal {
  let last = Promise.resolve();
  let aside = 0;
  let failure: { readonly error: unknown } | undefined;

  function enqueue(work: () => Promise<void>): Promise<void> {
    const done = last.then(async () => {
      if (failure !== undefined) throw failure.error;
      await work();
    });
    last = done.catch((error) => void (failure ??= { error }));
    return done;
  }

  async function drain(): Promise<void> {
    await last;
    if (failure !== undefined) throw failure.error;
  }

  return {
    add(work) {
      if (failure !== undefined) return Promise.reject(failure.error);
      const done = enqueue(work);
      return aside === 0 ? done : Promise.resolve();
    },
    addAside(work) {
      aside++;
      const end = () => void aside--;
      enqueue(work).then(end, end);
    },
    drain,
  };
}
