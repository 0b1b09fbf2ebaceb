/** A lock within a process: held by many who share it, or by one alone. Waiters come in order. */
export interface SharedLock {
  /** Resolves, when nobody has it alone, to what gives it back; giving it back twice changes nothing. */
  readonly shared: () => Promise<() => void>;
  /** Resolves, when nobody has it at all, to what gives it back. */
  readonly exclusive: () => Promise<() => void>;
}

/** A lock that nobody holds. */
export function sharedLock(): SharedLock {
  let alone: Promise<void> = Promise.resolve(); // until the last who asked to be alone is done
  let sharing: Promise<void> = Promise.resolve(); // until all are done who have shared it since
  return {
    shared: () => {
      const [held, release] = hold();
      sharing = Promise.all([sharing, held]).then(() => undefined);
      return alone.then(() => release);
    },
    exclusive: () => {
      const [held, release] = hold();
      const before = Promise.all([alone, sharing]);
      alone = before.then(() => held);
      sharing = Promise.resolve();
      return before.then(() => release);
    },
  };
}

function hold(): [held: Promise<void>, release: () => void] {
  const { promise, resolve } = Promise.withResolvers<void>();
  return [promise, () => resolve()];
}
