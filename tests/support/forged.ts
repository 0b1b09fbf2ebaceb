import { isStep, memoryStore, orThrow, type RunEvent, type Snapshot, type Store } from "foldlog";
import { historyDigest, NO_HISTORY } from "../../src/codec/history_digest.ts";

/** What someone who forges a run changes. */
export interface Forgery {
  readonly event?: (event: RunEvent) => RunEvent;
  readonly snapshot?: (snapshot: Snapshot) => Snapshot;
}

/**
 * A store, in memory unless given, with a run of another one, "a" unless named, changed by someone who knows the
 * format: the chain of the log is computed anew, and each snapshot commits to the changed history, so that
 * nothing but a recomputation can tell.
 */
export async function forged(
  store: Store,
  { event, snapshot }: Forgery,
  copy = memoryStore(),
  { from, to } = { from: "a", to: "a" },
): Promise<Store> {
  const writer = await orThrow(copy.log.open(to));
  let history = NO_HISTORY;
  const { events } = await orThrow(store.log.read(from));
  for (const [position, { event: original }] of events.entries()) {
    let changed = event?.(original) ?? original;
    if (changed.type === "SnapshotTaken") {
      const read = await orThrow(store.snapshots.get(changed.data.snapshot));
      const put = { ...(snapshot?.(read) ?? read), history };
      const { id, manifest, release } = await orThrow(copy.snapshots.put(to, put));
      release();
      changed = { ...changed, data: { ...changed.data, snapshot: id, state: manifest.state } };
    }
    history = historyDigest(history, changed);
    await orThrow(writer.append([changed], position));
  }
  await orThrow(writer.close());
  return copy;
}

/** Adds a little to the loss of these steps. */
export function otherLoss(...steps: readonly number[]): Forgery {
  return {
    event: (event) =>
      isStep(event) && steps.includes(event.data.step)
        ? { ...event, data: { ...event.data, loss: event.data.loss + 2 ** -20 } }
        : event,
  };
}
