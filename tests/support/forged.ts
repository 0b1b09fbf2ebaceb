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

/**
 * A store in memory whose run "a" has these events, the chain of its log computed anew, and the snapshots of
 * other stores. With `anew` each snapshot that the events name is made anew, to commit to their history, and
 * what a rewind says of its history is that history.
 */
export async function rewritten(
  stores: readonly Store[],
  events: readonly RunEvent[],
  { anew = false } = {},
): Promise<Store> {
  const store = memoryStore();
  for (const { snapshots } of stores) {
    for (const id of await orThrow(snapshots.list())) {
      (await orThrow(store.snapshots.put("a", await orThrow(snapshots.get(id))))).release();
    }
  }
  const histories: string[] = [];
  const writer = await orThrow(store.log.open("a"));
  for (const [position, event] of events.entries()) {
    const changed = anew ? await committing(store, event, histories) : event;
    histories.push(historyDigest(histories.at(-1) ?? NO_HISTORY, changed));
    await orThrow(writer.append([changed], position));
  }
  await orThrow(writer.close());
  return store;
}

/** The event as it is where its snapshot, if it names one, commits to what came before. */
async function committing(
  store: Store,
  event: RunEvent,
  histories: readonly string[],
): Promise<RunEvent> {
  switch (event.type) {
    case "SnapshotTaken":
      return {
        ...event,
        data: { ...event.data, ...await again(event.data, histories.length, {}) },
      };
    case "SnapshotMaterialized": {
      const { position, epoch, index } = event.data;
      const made = await again(event.data, position, { cursor: { epoch, index } });
      return { ...event, data: { ...event.data, ...made } };
    }
    case "RunRewound":
      return { ...event, data: { ...event.data, history: histories[event.data.position - 1]! } };
    default:
      return event;
  }

  async function again(
    { step, snapshot }: { readonly step: number; readonly snapshot: string },
    position: number,
    about: Partial<Pick<Snapshot, "cursor">>,
  ) {
    const read = await orThrow(store.snapshots.get(snapshot));
    const history = histories[position - 1] ?? NO_HISTORY;
    const put = await orThrow(store.snapshots.put("a", { ...read, ...about, step, history }));
    put.release();
    return { snapshot: put.id, state: put.manifest.state };
  }
}
