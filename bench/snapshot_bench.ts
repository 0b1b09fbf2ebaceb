import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Compression } from "../src/adapters/file_objects/compression.ts";
import { fileSnapshotStore } from "../src/adapters/file_objects/file_snapshot_store.ts";
import { fileStore } from "../src/adapters/file_store.ts";
import { openDevice } from "../src/adapters/device/tfjs_backend.ts";
import { trainRun } from "../src/app/training/train_run.ts";
import { mergeConfig } from "../src/core/config.ts";
import type { HostTensor } from "../src/core/host_tensor.ts";
import type { Snapshot, SnapshotId } from "../src/core/snapshot.ts";
import type { Device } from "../src/ports/device.ts";
import type { SnapshotStore, StoredSnapshot } from "../src/ports/snapshot_store.ts";
import { mobyGpt } from "../src/recipes/moby_gpt.ts";
import * as tf from "../src/train/tf.ts";
import { median, type Row } from "./row.ts";
import { type SavingPeer, savingPeer } from "./torch_save.ts";

const SIZES = [16, 64, 256]; // MiB of tensors
const ROUNDS = 5;
/** As AdamW has them: two moments for each parameter. */
const TENSORS = { model: 8, optimizer: 16 };
const COUNT = TENSORS.model + TENSORS.optimizer;

/** What snapshots cost: the loop, until they are durable, reading them, and the disk. */
export async function snapshotBench(): Promise<readonly Row[]> {
  const device = await orThrow(openDevice("wasm"));
  await using peer = await savingPeer();
  const root = await Deno.makeTempDir();
  try {
    const rows: Row[] = [];
    for (const size of SIZES) rows.push(...await costRows(root, device, peer, size));
    rows.push(await frozenRow(`${root}/frozen`));
    rows.push(...await compressionRows(root, device));
    return rows;
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** What one round takes, in milliseconds. */
interface Round {
  /** In which the loop stands still: reading the tensors back, and handing them over. */
  readonly blocked: number;
  /** Until the snapshot is durable. */
  readonly durable: number;
  readonly peer: number;
}

async function costRows(
  root: string,
  device: Device,
  peer: SavingPeer,
  size: number,
): Promise<readonly Row[]> {
  const floats = Math.floor(size * 2 ** 20 / 4 / COUNT);
  const store = fileSnapshotStore(`${root}/runs`);
  let state = Array.from({ length: COUNT }, () => tf.randomNormal([floats]));
  let memory: Snapshot["groups"] = {};
  let last: StoredSnapshot | undefined;
  const rounds: Round[] = [];
  for (let round = 0; round <= ROUNDS; round++) { // in turns: the disk is not as fast at all times
    const next = state.map((tensor) => tf.add(tensor, 1));
    tf.dispose(state);
    state = next;
    await device.read(state[0]!, memory["model"]?.get("t0")); // as a step does with its metrics
    const start = performance.now();
    const groups = await readGroups(device, state, memory);
    const posted = postingTime();
    const putting = store.put("bench", { ...about, step: round, groups })();
    const called = performance.now() - start;
    last = await orThrow(() => putting);
    const blocked = called + postingTime() - posted; // the tensors are sent when the lock is taken
    const durable = performance.now() - start;
    last.release();
    memory = last.groups;
    const path = `${root}/peer`;
    rounds.push({ blocked, durable, peer: await peer.save(COUNT, floats, path) });
    await Deno.remove(path);
  }
  tf.dispose(state);
  const { restored, bare } = await restoreRates(store, `${root}/runs`, last!);
  const digested = digestTime(memory);
  await Deno.remove(`${root}/runs`, { recursive: true });
  const [cold, ...warm] = rounds;
  const of = (what: keyof Round) => median(warm.map((round) => round[what]));
  const row = (name: string, value: number, against: number): Row => ({
    ...common,
    case: `${name}, ${size} MiB`,
    value,
    unit: "ms",
    peer: peer.name,
    ratio: value / against,
    better: "lower",
  });
  return [
    row("the loop stands still", of("blocked"), of("peer")),
    row("until durable", of("durable"), of("peer")),
    row("the loop stands still, first time", cold!.blocked, of("peer")),
    row("until durable, first time", cold!.durable, of("peer")),
    row("SHA-256 of it alone, twice", digested, of("peer")),
    {
      ...common,
      case: `restore, ${size} MiB`,
      value: restored,
      unit: "MB/s",
      peer: "a bare read of the files",
      ratio: restored / bare,
      better: "higher",
    },
  ];
}

/** Milliseconds that this thread has spent in sending messages to others. */
const postingTime = timePosting();

function timePosting(): () => number {
  const post = Worker.prototype.postMessage;
  let spent = 0;
  Worker.prototype.postMessage = function (...message: Parameters<typeof post>) {
    const start = performance.now();
    post.apply(this, message);
    spent += performance.now() - start;
  };
  return () => spent;
}

const common = { subject: "snapshots", backend: "wasm" } as const;

const about = { task: "bench", cursor: { epoch: 0, index: 0 }, history: "0".repeat(64) };

/** Reads tensors back as the step loop does: all at once, into the memory of the snapshot before. */
async function readGroups(
  device: Device,
  tensors: readonly tf.Tensor[],
  memory: Snapshot["groups"],
): Promise<Snapshot["groups"]> {
  const read = async (group: keyof typeof TENSORS, from: number) =>
    new Map(
      await Promise.all(
        tensors.slice(from, from + TENSORS[group]).map(async (tensor, index) =>
          [`t${index}`, await device.read(tensor, memory[group]?.get(`t${index}`))] as const
        ),
      ),
    );
  const [model, optimizer] = await Promise.all([
    read("model", 0),
    read("optimizer", TENSORS.model),
  ]);
  return { model, optimizer };
}

async function restoreRates(
  store: SnapshotStore,
  root: string,
  { id, manifest }: StoredSnapshot,
): Promise<{ readonly restored: number; readonly bare: number }> {
  const files = Object.values(manifest.files);
  const megabytes = files.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  const rates = { restored: [] as number[], bare: [] as number[] };
  for (let round = 0; round < 3; round++) {
    rates.restored.push(megabytes / await seconds(() => orThrow(store.get(id))));
    rates.bare.push(
      megabytes / await seconds(async () => {
        for (const { digest } of files) {
          await Deno.readFile(`${root}/objects/${digest.slice(0, 2)}/${digest}`);
        }
      }),
    );
  }
  return { restored: median(rates.restored), bare: median(rates.bare) };
}

/** What both digests of every byte take on one thread: of its file, and of its tensor. */
function digestTime(groups: Snapshot["groups"]): number {
  const start = performance.now();
  for (const tensors of Object.values(groups)) {
    for (const { data } of tensors.values()) {
      createHash("sha256").update(data).digest();
      createHash("sha256").update(data).digest();
    }
  }
  return performance.now() - start;
}

/** Ten snapshots of a run that trains an eighth of its model. */
async function frozenRow(root: string): Promise<Row> {
  const store = fileSnapshotStore(root);
  const base = 8 * 2 ** 20;
  const changed = 2 ** 20;
  for (let step = 1; step <= 10; step++) {
    const groups = {
      base: new Map([["w", noise(base / 4, 0)]]),
      model: new Map([["w", noise(changed / 4, step)]]),
    };
    (await orThrow(store.put("frozen", { ...about, step, groups }))).release();
  }
  const bytes = await bytesIn(`${root}/objects`);
  return {
    ...common,
    case: "disk, ten snapshots with a frozen base",
    value: bytes / 1e6,
    unit: "MB",
    peer: "the base and ten times what changed",
    ratio: bytes / (base + 10 * changed),
    better: "lower",
  };
}

/** What keeping the snapshots of a training takes: megabytes, and milliseconds a snapshot. */
interface Kept {
  readonly disk: number;
  readonly durable: number;
  readonly restore: number;
}

/** Snapshots of a real training, kept in each of the ways. */
async function compressionRows(root: string, device: Device): Promise<readonly Row[]> {
  const { store, ids } = await trainedSnapshots(`${root}/trained`, device);
  const keep = (compress: Compression) => keptBy(`${root}/${compress}`, compress, store, ids);
  const plain = await keep("none");
  const rows: Row[] = [];
  for (const compress of ["zstd", "zstd-delta"] as const) {
    const kept = await keep(compress);
    const row = (name: string, what: keyof Kept, unit: string): Row => ({
      ...common,
      case: `${compress}: ${name}, ${ids.length} snapshots of a training`,
      value: kept[what],
      unit,
      peer: "the same without compression",
      ratio: kept[what] / plain[what],
      better: "lower",
    });
    rows.push(
      row("disk", "disk", "MB"),
      row("until durable", "durable", "ms"),
      row("restore", "restore", "ms"),
    );
  }
  return rows;
}

async function keptBy(
  root: string,
  compress: Compression,
  store: SnapshotStore,
  ids: readonly SnapshotId[],
): Promise<Kept> {
  const kept = fileSnapshotStore(root, { compress });
  const durable: number[] = [];
  const restore: number[] = [];
  for (const id of ids) {
    const snapshot = await orThrow(store.get(id));
    const put = async () => (await orThrow(kept.put("a", snapshot))).release();
    durable.push(1000 * await seconds(put));
  }
  for (const id of ids) restore.push(1000 * await seconds(() => orThrow(kept.get(id))));
  const disk = await bytesIn(`${root}/objects`) / 1e6;
  return { disk, durable: median(durable), restore: median(restore) };
}

/** A training of a few hundred steps of the default recipe, a snapshot every fifty. */
async function trainedSnapshots(
  root: string,
  device: Device,
): Promise<{ readonly store: SnapshotStore; readonly ids: readonly SnapshotId[] }> {
  const store = fileStore(root);
  const config = mergeConfig(mobyGpt.config, {
    steps: { max: 300 },
    save: { every: 50 },
    evaluate: { every: 0 },
  });
  const { sample: _, ...task } = await mobyGpt.task(config);
  await orThrow(trainRun({ store, device }, "trained", task, { config }));
  const { events } = await orThrow(store.log.read("trained"));
  const ids = events.flatMap(({ event }) =>
    event.type === "SnapshotTaken" ? [event.data.snapshot] : []
  );
  return { store: store.snapshots, ids };
}

function noise(size: number, seed: number): HostTensor {
  const data = Float32Array.from({ length: size }, (_, at) => Math.sin(at * (at + seed)));
  return { dtype: "float32", shape: [size], data };
}

async function bytesIn(path: string): Promise<number> {
  let sum = 0;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    const inner = `${path}/${name}`;
    sum += isDirectory ? await bytesIn(inner) : (await Deno.stat(inner)).size;
  }
  return sum;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function orThrow<A>(work: TaskEither<unknown, A>): Promise<A> {
  const result = await work();
  if (E.isRight(result)) return result.right;
  throw new Error(JSON.stringify(result.left));
}
