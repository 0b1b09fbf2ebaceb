import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { sha256 } from "../codec/digest.ts";
import { encodeManifest } from "../codec/manifest_codec.ts";
import type { Snapshot, SnapshotId, TensorGroup } from "../core/snapshot.ts";
import type { LiveObjects, SnapshotStore } from "../ports/snapshot_store.ts";
import { assertSame, floats, ints, oddSnapshot, snapshotOf } from "./sample_snapshots.ts";
import { keep, left, liveOnly, right } from "./snapshot_answers.ts";

/** A snapshot store that is empty at first. */
export interface SnapshotFixture extends AsyncDisposable {
  readonly store: SnapshotStore;
  /** The same store as a new process would open it; absent where it ends with its process. */
  readonly reopen?: () => SnapshotStore;
}

/**
 * Registers what every snapshot store must do, as tests of the adapter `name`: an adapter that passes
 * can stand in for those that foldlog has. `make` is called anew for each test.
 *
 * @example
 * ```ts ignore
 * import { snapshotStoreContract } from "foldlog/testing";
 * import { mySnapshotStore } from "./my_snapshot_store.ts";
 *
 * snapshotStoreContract("mySnapshotStore()", async () => {
 *   const place = await Deno.makeTempDir();
 *   return {
 *     store: mySnapshotStore(place),
 *     reopen: () => mySnapshotStore(place),
 *     [Symbol.asyncDispose]: () => Deno.remove(place, { recursive: true }),
 *   };
 * });
 * ```
 */
export function snapshotStoreContract(name: string, make: () => Promise<SnapshotFixture>): void {
  function claim(text: string, check: (fixture: SnapshotFixture) => Promise<void>) {
    Deno.test(`${name}: ${text}`, async () => {
      await using fixture = await make();
      await check(fixture);
    });
  }

  claim("get() gives back what put() was given, bit for bit", async ({ store }) => {
    const { id } = await keep(store, "a", oddSnapshot());
    assertSame(await right(store.get(id)), oddSnapshot());
  });

  claim("any float32 and int32 come back bit for bit", async ({ store }) => {
    const words = fc.sample(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), {
      numRuns: 500,
      seed: 42,
    });
    const snapshot = () =>
      snapshotOf(1, {
        model: {
          floats: floats(new Float32Array(Int32Array.from(words).buffer)),
          ints: ints(words),
        },
      });
    const { id } = await keep(store, "a", snapshot());
    assertSame(await right(store.get(id)), snapshot());
  });

  claim("tensors of many sizes come back bit for bit, snapshot after snapshot", async (
    { store },
  ) => {
    const ids: SnapshotId[] = [];
    for (let step = 1; step <= 3; step++) {
      ids.push((await keep(store, "a", sizedSnapshot(step))).id);
    }
    for (const [index, id] of ids.entries()) {
      assertSame(await right(store.get(id)), sizedSnapshot(index + 1));
    }
  });

  claim("a snapshot is there for a store that is opened anew", async (fixture) => {
    const { id, manifest } = await keep(fixture.store, "a", oddSnapshot());
    const again = fixture.reopen?.() ?? fixture.store;
    assertSame(await right(again.get(id)), oddSnapshot());
    assert.deepEqual(await right(again.manifest(id)), manifest);
    assert.deepEqual(await right(again.list()), [id]);
  });

  claim("the manifest says what is stored, and its digest is the id", async ({ store }) => {
    const { id, manifest } = await keep(store, "a", oddSnapshot());
    assert.deepEqual(await right(store.manifest(id)), manifest);
    assert.equal(sha256(encodeManifest(manifest)), id);
    const { task, step, cursor, history, groups } = oddSnapshot();
    assert.deepEqual(
      {
        task: manifest.task,
        step: manifest.step,
        cursor: manifest.cursor,
        history: manifest.history,
      },
      { task, step, cursor, history },
    );
    assert.deepEqual(Object.keys(manifest.files).sort(), ["model", "optimizer"]);
    const names = Object.entries(groups).flatMap(([group, tensors]) =>
      [...tensors.keys()].map((path) => `${group}/${path}`)
    );
    assert.deepEqual(Object.keys(manifest.leaves).sort(), names.sort());
  });

  claim("equal snapshots have one id, whoever stores them and in which order", async (
    { store },
  ) => {
    const { groups, ...rest } = oddSnapshot();
    const turned: Snapshot = {
      ...rest,
      groups: { optimizer: reversed(groups["optimizer"]!), model: reversed(groups["model"]!) },
    };
    const first = await keep(store, "a", oddSnapshot());
    for (const [run, snapshot] of [["a", oddSnapshot()], ["b", turned]] as const) {
      const { id, manifest } = await keep(store, run, snapshot);
      assert.deepEqual({ id, manifest }, { id: first.id, manifest: first.manifest });
    }
    assert.deepEqual(await right(store.list()), [first.id]);
  });

  claim("snapshots that differ in anything have ids of their own", async ({ store }) => {
    const variants = () => {
      const base = snapshotOf(1, { model: { w: floats([0, 1]) } });
      return [
        base,
        { ...base, step: 2 },
        { ...base, task: "other" },
        { ...base, cursor: { ...base.cursor, index: base.cursor.index + 1 } },
        { ...base, history: "ef".repeat(32) },
        snapshotOf(1, { model: { w: floats([-0, 1]) } }),
        snapshotOf(1, { model: { v: floats([0, 1]) } }),
        snapshotOf(1, { model: { w: floats([0, 1], [2, 1]) } }),
        snapshotOf(1, { model: { w: ints([0, 0x3f800000]) } }),
        snapshotOf(1, { optimizer: { w: floats([0, 1]) } }),
      ];
    };
    const stored = [];
    for (const index of variants().keys()) {
      stored.push(await keep(store, "a", variants()[index]!));
    }
    const ids = stored.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [index, snapshot] of variants().entries()) {
      assertSame(await right(store.get(ids[index]!)), snapshot);
    }
    const states = stored.map(({ manifest }) => manifest.state);
    assert.equal(new Set(states.slice(0, 5)).size, 1, "the state is that of the tensors alone");
    assert.equal(new Set([states[0], ...states.slice(5)]).size, 6);
  });

  claim("list() gives the ids of all runs' snapshots, sorted", async ({ store }) => {
    assert.deepEqual(await right(store.list()), []);
    const ids = [];
    for (let step = 1; step <= 8; step++) {
      ids.push((await keep(store, step % 2 === 0 ? "a" : "b", smallSnapshot(step))).id);
    }
    assert.deepEqual(await right(store.list()), ids.sort());
  });

  claim("an unknown id is SnapshotMissing", async ({ store }) => {
    await keep(store, "a", oddSnapshot());
    const id = sha256("nobody");
    for (const work of [store.get(id), store.manifest(id)]) {
      const error = await left(work);
      assert.ok(error.type === "SnapshotMissing" && error.id === id, JSON.stringify(error));
      assert.match(error.place, /\S/);
    }
  });

  claim("put() gives the tensors back, bit for bit, in memory that can be used again", async (
    { store },
  ) => {
    const { id, groups } = await keep(store, "a", oddSnapshot());
    assertSame({ ...oddSnapshot(), groups }, oddSnapshot());
    for (const { data } of [...groups["model"]!.values(), ...groups["optimizer"]!.values()]) {
      data.fill(7);
    }
    const { groups: _, ...about } = oddSnapshot();
    const next = await keep(store, "a", { ...about, step: 4, groups });
    assertSame(await right(store.get(id)), oddSnapshot());
    const sevens = await right(store.get(next.id));
    for (const tensors of Object.values(sevens.groups)) {
      for (const { data } of tensors.values()) assert.ok(data.every((value) => value === 7));
    }
  });

  claim("what is done to a snapshot that was given changes nothing in the store", async (
    { store },
  ) => {
    const { id } = await keep(store, "a", smallSnapshot(1));
    const got = await right(store.get(id));
    got.groups["model"]!.get("w")!.data.fill(7);
    assertSame(await right(store.get(id)), smallSnapshot(1));
  });

  claim("what get() gives can be stored", async ({ store }) => {
    const { id } = await keep(store, "a", oddSnapshot());
    assert.equal((await keep(store, "b", await right(store.get(id)))).id, id);
    assertSame(await right(store.get(id)), oddSnapshot());
  });

  claim("snapshots of several runs that are stored at once are all stored", async ({ store }) => {
    const runs = ["a", "b", "c", "d"];
    const stored = await Promise.all(
      runs.map((run, step) => keep(store, run, sizedSnapshot(step))),
    );
    for (const [step, { id }] of stored.entries()) {
      assertSame(await right(store.get(id)), sizedSnapshot(step));
    }
  });

  claim("hide() takes nothing from the store", async ({ store }) => {
    const { id, manifest } = await keep(store, "a", oddSnapshot());
    for (let times = 0; times < 2; times++) await right(store.hide("a", oddSnapshot().step));
    await right(store.hide("nobody", 1));
    assertSame(await right(store.get(id)), oddSnapshot());
    assert.deepEqual(await right(store.manifest(id)), manifest);
    assert.deepEqual(await right(store.list()), [id]);
  });

  claim("collect() keeps what is live and removes the rest", async ({ store }) => {
    const ids: SnapshotId[] = [];
    for (let step = 1; step <= 6; step++) {
      ids.push((await keep(store, "a", sizedSnapshot(step))).id);
    }
    const live = new Set([ids[1]!, ids[4]!, sha256("one that is not there")]);
    const { objects, bytes } = await right(store.collect(naming(live)));
    assert.ok(objects >= 4, `${objects} objects`); // the manifests, and what is no other file's base
    assert.ok(bytes > 4 * 100, `${bytes} bytes`);
    for (const [index, id] of ids.entries()) {
      if (live.has(id)) assertSame(await right(store.get(id)), sizedSnapshot(index + 1));
      else assert.equal((await left(store.get(id))).type, "SnapshotMissing");
    }
    assert.deepEqual(await right(store.list()), [ids[1]!, ids[4]!].sort());
    assert.deepEqual(await right(store.collect(naming(live))), { objects: 0, bytes: 0 });
  });

  claim("collect() keeps a file that a live and a dead snapshot share", async ({ store }) => {
    const frozen = () => ({ w: floats([1, 2, 3]) });
    const of = (step: number) =>
      snapshotOf(step, { model: frozen(), optimizer: { m: floats([step]) } });
    const dead = await keep(store, "a", of(1));
    const kept = await keep(store, "b", of(2));
    const { objects } = await right(store.collect(naming(new Set([kept.id]))));
    assert.equal(objects, 2, "the manifest and the optimizer of the dead one");
    assertSame(await right(store.get(kept.id)), of(2));
    assert.equal((await left(store.get(dead.id))).type, "SnapshotMissing");
  });

  claim("collect() counts with dryRun what it removes without", async ({ store }) => {
    const kept = await keep(store, "a", smallSnapshot(1));
    const dead = await keep(store, "a", smallSnapshot(2));
    const live = naming(new Set([kept.id]));
    const counted = await right(store.collect(live, { dryRun: true }));
    assert.deepEqual(await right(store.list()), [kept.id, dead.id].sort());
    assertSame(await right(store.get(dead.id)), smallSnapshot(2));
    assert.deepEqual(await right(store.collect(live)), counted);
    assert.ok(counted.objects > 0 && counted.bytes > 0, JSON.stringify(counted));
    assert.deepEqual(await right(store.list()), [kept.id]);
  });

  claim("a snapshot that was collected can be stored again", async ({ store }) => {
    const { id } = await keep(store, "a", oddSnapshot());
    await right(store.collect(naming(new Set())));
    assert.deepEqual(await right(store.list()), []);
    assert.equal((await keep(store, "a", oddSnapshot())).id, id);
    assertSame(await right(store.get(id)), oddSnapshot());
  });

  for (const dryRun of [false, true]) {
    const name = `collect() waits until every snapshot that was put is released (dryRun ${dryRun})`;
    claim(name, async ({ store }) => {
      const first = await right(store.put("a", smallSnapshot(1)));
      const second = await right(store.put("b", smallSnapshot(2)));
      const live = new Set<SnapshotId>();
      let asked = false;
      const collecting = right(store.collect(() => {
        asked = true;
        return naming(live)();
      }, { dryRun }));
      await whileOthersWork(store);
      assert.ok(!asked, "live was asked for before a release");
      live.add(first.id);
      first.release();
      first.release(); // does not count for the other
      await whileOthersWork(store);
      assert.ok(!asked, "live was asked for before the other release");
      live.add(second.id);
      second.release();
      assert.deepEqual(await collecting, { objects: 0, bytes: 0 });
      assert.deepEqual(await right(store.list()), [first.id, second.id].sort());
    });
  }

  claim("bytes() counts each object once, and nothing that is not there", async ({ store }) => {
    const shared = () => floats(new Float32Array(5000).fill(3));
    const two = (step: number) =>
      snapshotOf(step, { model: { w: floats([step]) }, base: { frozen: shared() } });
    const [first, second] = [await keep(store, "a", two(1)), await keep(store, "b", two(2))];
    const of = (ids: readonly SnapshotId[]) => right(store.bytes(ids));
    const [one, other] = [await of([first.id]), await of([second.id])];
    assert.equal(await of([first.id, first.id]), one);
    const { bytes } = first.manifest.files["base"]!;
    assert.ok(bytes > 20_000, "it is the largest part of both");
    const both = await of([first.id, second.id]);
    assert.ok(both < one + other, "what they share was counted twice");
    assert.ok(both > one && both > other);
    assert.deepEqual([await of([]), await of(["0".repeat(64)])], [0, 0]);
    assert.equal(await of(["0".repeat(64), first.id]), one);
  });

  claim("put() waits while objects are collected", async ({ store }) => {
    const answer = Promise.withResolvers<LiveObjects>();
    const asked = Promise.withResolvers<void>();
    const collecting = right(store.collect(() => async () => {
      asked.resolve();
      return E.right(await answer.promise);
    }));
    await asked.promise;
    let done = false;
    const putting = keep(store, "a", smallSnapshot(1)).finally(() => done = true);
    await whileOthersWork(store);
    assert.ok(!done, "a snapshot was stored while objects were collected");
    answer.resolve(liveOnly([]));
    await collecting;
    const { id } = await putting;
    assertSame(await right(store.get(id)), smallSnapshot(1));
  });

  claim("collect() removes nothing where it is not told what is live", async ({ store }) => {
    const { id } = await keep(store, "a", smallSnapshot(1));
    const refused = await store.collect(() => () => Promise.resolve(E.left("no idea")))();
    assert.deepEqual(refused, E.left("no idea"));
    await assert.rejects(store.collect(() => () => Promise.reject(new Error("broken")))());
    assert.deepEqual(await right(store.list()), [id]);
    await keep(store, "a", smallSnapshot(2)); // nobody holds the lock any more
    assert.ok((await right(store.collect(naming(new Set())))).objects > 0);
  });

  claim("put() rejects what is no snapshot, and holds nothing up", async ({ store }) => {
    const misfit = snapshotOf(1, { model: { w: floats([1, 2], [3]) } });
    const misnamed = snapshotOf(1, { "../model": { w: floats([1]) } });
    for (const snapshot of [misfit, misnamed]) {
      await assert.rejects(right(store.put("a", snapshot)), TypeError);
    }
    assert.deepEqual(await right(store.list()), []);
    await right(store.collect(naming(new Set())));
    const { id } = await keep(store, "a", smallSnapshot(1));
    assertSame(await right(store.get(id)), smallSnapshot(1));
  });
}

/** A snapshot of one small tensor. */
function smallSnapshot(step: number): Snapshot {
  return snapshotOf(step, { model: { w: floats([step, -step]) } });
}

/** Tensors of no, few, and many elements, most of which are another step's as well. */
function sizedSnapshot(step: number): Snapshot {
  const sizes = [0, 1, 3, 1000, 300_000];
  const tensors = sizes.map((size, index) => {
    const data = Float32Array.from({ length: size }, (_, at) => Math.sin(at + index));
    for (let at = 0; at < size; at += 97) data[at]! += step;
    return [`w${index}`, floats(data)] as const;
  });
  return snapshotOf(step, { model: Object.fromEntries(tensors) });
}

function naming(live: ReadonlySet<SnapshotId>) {
  return () => () => Promise.resolve(E.right(liveOnly(live)));
}

/** Time enough for what waits for nothing to be done. */
async function whileOthersWork(store: SnapshotStore): Promise<void> {
  for (let times = 0; times < 50; times++) await right(store.list());
}

function reversed(group: TensorGroup): TensorGroup {
  return new Map([...group].reverse());
}
