import {
  arraySource,
  attempt,
  defineTask,
  type Device,
  key,
  memoryStore,
  normal,
  orThrow,
  readRun,
  type RunEvent,
  type SnapshotError,
  type SnapshotId,
  type Store,
  type TrainOptions,
  trainRun,
} from "foldlog";
import * as TE from "fp-ts/TaskEither.js";
import * as tf from "foldlog/tf";

const x = { dtype: "float32", shape: [8, 1], data: normal(key(1), 8) } as const;
const y = { dtype: "float32", shape: [8, 1], data: normal(key(2), 8) } as const;

/** Ten steps, with snapshots at 2, 4, 6, 8 and 10, and evaluations at 4, 8 and 10. */
export const tenSteps = defineTask({
  name: "ten steps",
  config: {
    steps: { max: 10 },
    batch: { size: 2, micro: 2 },
    optimizer: { learningRate: 0.1 },
    save: { every: 2 },
    evaluate: { every: 4, batches: 1 },
  },
  data: arraySource("points", { x, y }),
  evaluation: { data: arraySource("held out", { x: y, y: x }), loss: distance },
  init: () => ({ slope: tf.tensor(normal(key(3), 1)), offset: tf.tensor(normal(key(4), 1)) }),
  loss: distance,
});

type Line = { readonly slope: tf.Tensor; readonly offset: tf.Tensor };
type Points = { readonly x: tf.Tensor; readonly y: tf.Tensor };

function distance({ slope, offset }: Line, { x, y }: Points): tf.Scalar {
  return tf.mean(tf.squaredDifference(tf.add(tf.mul(x, slope), offset), y));
}

/** A store in memory that has the run "a", trained with these options. */
export async function trained(device: Device, options: TrainOptions = {}): Promise<Store> {
  const store = memoryStore();
  await orThrow(trainRun({ store, device }, "a", tenSteps, options));
  return store;
}

/** The events of a run. */
export async function eventsOf(store: Store, run = "a"): Promise<readonly RunEvent[]> {
  return (await orThrow(readRun(store, run))).events.map(({ event }) => event);
}

/** The snapshots that a run keeps, as its log says: their ids by step. */
export async function keptBy(store: Store, run = "a"): Promise<ReadonlyMap<number, SnapshotId>> {
  const { snapshots } = (await orThrow(readRun(store, run))).state;
  return new Map(snapshots.map(({ step, snapshot }) => [step, snapshot]));
}

/** A store over another in which snapshots are missing, until they are stored again. */
export interface LossyStore extends Store {
  readonly lose: (id: SnapshotId) => void;
  /** What was stored since it was made. */
  readonly stored: readonly SnapshotId[];
}

/** How snapshots are lost: a damaged one still has its manifest. */
export type Loss = "missing" | "damaged" | "unavailable";

/** A store over `store` that can lose snapshots, or fail to say whether it has them. */
export function lossy(store: Store, loss: Loss = "missing"): LossyStore {
  const lost = new Set<SnapshotId>();
  const stored: SnapshotId[] = [];
  const orLost = <A>(id: SnapshotId, work: TE.TaskEither<SnapshotError, A>) =>
    lost.has(id) ? TE.left(failureOf(id, loss)) : work;
  const { snapshots } = store;
  return {
    ...store,
    stored,
    lose: (id) => void lost.add(id),
    snapshots: {
      ...snapshots,
      get: (id) => orLost(id, snapshots.get(id)),
      manifest: (id) =>
        loss === "damaged" ? snapshots.manifest(id) : orLost(id, snapshots.manifest(id)),
      put: (run, snapshot) =>
        attempt(async (get) => {
          const result = await get(snapshots.put(run, snapshot));
          lost.delete(result.id);
          stored.push(result.id);
          return result;
        }),
    },
  };
}

function failureOf(id: SnapshotId, loss: Loss): SnapshotError {
  const place = "here";
  switch (loss) {
    case "missing":
      return { type: "SnapshotMissing", id, place };
    case "damaged":
      return { type: "SnapshotDamaged", id, place, reason: "its digest is another" };
    case "unavailable":
      return { type: "SnapshotsUnavailable", action: "read", place, reason: "no disk" };
  }
}
