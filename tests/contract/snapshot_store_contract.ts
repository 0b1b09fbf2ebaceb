import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { describeSnapshotError } from "../../src/app/describe_error.ts";
import { sha256 } from "../../src/codec/digest.ts";
import { encodeManifest } from "../../src/codec/manifest_codec.ts";
import { bytesOf, type HostTensor } from "../../src/core/host_tensor.ts";
import type { Snapshot, TensorGroup } from "../../src/core/snapshot.ts";
import type { SnapshotError, SnapshotStore } from "../../src/ports/snapshot_store.ts";

/** A snapshot store that is empty at first. */
export interface SnapshotFixture extends AsyncDisposable {
  readonly store: SnapshotStore;
  /** The same store as a new process would open it; absent where it ends with its process. */
  readonly reopen?: () => SnapshotStore;
}

/** Registers what every snapshot store must do, as tests of the adapter `name`. */
export function snapshotStoreContract(name: string, make: () => Promise<SnapshotFixture>): void {
  function claim(text: string, check: (fixture: SnapshotFixture) => Promise<void>) {
    Deno.test(`${name}: ${text}`, async () => {
      await using fixture = await make();
      await check(fixture);
    });
  }

  claim("get() gives back what put() was given, bit for bit", async ({ store }) => {
    const { id } = await right(store.put("a", oddSnapshot));
    assertSame(await right(store.get(id)), oddSnapshot);
  });

  claim("any float32 and int32 come back bit for bit", async ({ store }) => {
    const words = [...fc.sample(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), {
      numRuns: 500,
      seed: 42,
    })];
    const ints = Int32Array.from(words);
    const snapshot = snapshotOf(1, {
      model: { floats: floats(new Float32Array(ints.buffer.slice(0))), ints: tensor(ints) },
    });
    const { id } = await right(store.put("a", snapshot));
    assertSame(await right(store.get(id)), snapshot);
  });

  claim("a snapshot is there for a store that is opened anew", async (fixture) => {
    const { id, manifest } = await right(fixture.store.put("a", oddSnapshot));
    const again = fixture.reopen?.() ?? fixture.store;
    assertSame(await right(again.get(id)), oddSnapshot);
    assert.deepEqual(await right(again.manifest(id)), manifest);
    assert.deepEqual(await right(again.list()), [id]);
  });

  claim("the manifest says what is stored, and its digest is the id", async ({ store }) => {
    const { id, manifest } = await right(store.put("a", oddSnapshot));
    assert.deepEqual(await right(store.manifest(id)), manifest);
    assert.equal(sha256(encodeManifest(manifest)), id);
    const { task, step, cursor } = oddSnapshot;
    assert.deepEqual(
      { task: manifest.task, step: manifest.step, cursor: manifest.cursor },
      { task, step, cursor },
    );
    assert.deepEqual(Object.keys(manifest.files).sort(), ["model", "optimizer"]);
    const names = Object.entries(oddSnapshot.groups).flatMap(([group, tensors]) =>
      [...tensors.keys()].map((path) => `${group}/${path}`)
    );
    assert.deepEqual(Object.keys(manifest.leaves).sort(), names.sort());
  });

  claim("equal snapshots have one id, whoever stores them and in which order", async (
    { store },
  ) => {
    const { groups } = oddSnapshot;
    const turned: Snapshot = {
      ...oddSnapshot,
      groups: { optimizer: reversed(groups["optimizer"]!), model: reversed(groups["model"]!) },
    };
    const first = await right(store.put("a", oddSnapshot));
    assert.deepEqual(await right(store.put("a", oddSnapshot)), first);
    assert.deepEqual(await right(store.put("b", turned)), first);
    assert.deepEqual(await right(store.list()), [first.id]);
  });

  claim("snapshots that differ in anything have ids of their own", async ({ store }) => {
    const base = snapshotOf(1, { model: { w: floats([0, 1]) } });
    const others: Snapshot[] = [
      { ...base, step: 2 },
      { ...base, task: "other" },
      { ...base, cursor: { ...base.cursor, index: base.cursor.index + 1 } },
      snapshotOf(1, { model: { w: floats([-0, 1]) } }),
      snapshotOf(1, { model: { v: floats([0, 1]) } }),
      snapshotOf(1, { model: { w: floats([0, 1], [2, 1]) } }),
      snapshotOf(1, { model: { w: tensor(Int32Array.of(0, 0x3f800000)) } }),
      snapshotOf(1, { optimizer: { w: floats([0, 1]) } }),
    ];
    const stored = [];
    for (const snapshot of [base, ...others]) stored.push(await right(store.put("a", snapshot)));
    const ids = stored.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [index, snapshot] of [base, ...others].entries()) {
      assertSame(await right(store.get(ids[index]!)), snapshot);
    }
    const states = stored.map(({ manifest }) => manifest.state);
    assert.equal(states[1], states[0], "the state is that of the tensors alone");
    assert.equal(new Set([states[0], ...states.slice(4)]).size, 6);
  });

  claim("list() gives the ids of all runs' snapshots, sorted", async ({ store }) => {
    assert.deepEqual(await right(store.list()), []);
    const ids = [];
    for (let step = 1; step <= 8; step++) {
      const snapshot = snapshotOf(step, { model: { w: floats([step]) } });
      ids.push((await right(store.put(step % 2 === 0 ? "a" : "b", snapshot))).id);
    }
    assert.deepEqual(await right(store.list()), ids.sort());
  });

  claim("an unknown id is SnapshotMissing", async ({ store }) => {
    await right(store.put("a", oddSnapshot));
    const id = sha256("nobody");
    for (const work of [store.get(id), store.manifest(id)]) {
      const error = await left(work);
      assert.ok(error.type === "SnapshotMissing" && error.id === id, JSON.stringify(error));
      assert.match(error.place, /\S/);
    }
  });

  claim("what the caller does to its tensors changes nothing in the store", async ({ store }) => {
    const given = Float32Array.of(1, 2, 3);
    const snapshot = snapshotOf(1, { model: { w: floats(given) } });
    const { id } = await right(store.put("a", snapshot));
    given.fill(9);
    const expected = snapshotOf(1, { model: { w: floats([1, 2, 3]) } });
    const got = await right(store.get(id));
    assertSame(got, expected);
    got.groups["model"]!.get("w")!.data.fill(7);
    assertSame(await right(store.get(id)), expected);
  });
}

/** A snapshot of step `step` with these tensors. */
export function snapshotOf(
  step: number,
  groups: Readonly<Record<string, Readonly<Record<string, HostTensor>>>>,
): Snapshot {
  const maps = Object.entries(groups).map(([name, group]): [string, TensorGroup] => [
    name,
    new Map(Object.entries(group)),
  ]);
  return {
    task: "line",
    step,
    cursor: { epoch: 1, index: step },
    groups: Object.fromEntries(maps),
  };
}

/** A float32 tensor. */
export function floats(
  data: readonly number[] | Float32Array,
  shape: readonly number[] = [data.length],
): HostTensor {
  return {
    dtype: "float32",
    shape,
    data: data instanceof Float32Array ? data : Float32Array.from(data),
  };
}

function tensor(data: Int32Array, shape: readonly number[] = [data.length]): HostTensor {
  return { dtype: "int32", shape, data };
}

/** NaNs with payloads and a sign, both zeros, infinities, subnormals. */
const oddBits = Int32Array.of(
  0x7fc00000,
  0x7fc00001,
  0x7f800001,
  -0x400000,
  -0x800000,
  0x7f800000,
  0,
  -0x80000000,
  1,
  0x7fffff,
);

/** A snapshot with what is easily lost: odd floats, a scalar, an empty tensor, a view, odd names. */
export const oddSnapshot: Snapshot = snapshotOf(3, {
  model: {
    "h.0.attn.weight": floats(new Float32Array(oddBits.buffer), [2, 5]),
    "h.0.attn.bias": floats([1e-45, -1, 0.1]),
    "scalar": floats([-0], []),
    "empty": floats([], [0, 4]),
    "view": floats(Float32Array.of(9, 1, 2, 9).subarray(1, 3)),
    "na\u00efve \u{1f9e0}": floats([7]),
  },
  optimizer: {
    "0.moment": floats([0.25, 5e-45]),
    "0.count": tensor(Int32Array.of(2147483647, -2147483648, 0)),
  },
});

/** Compares snapshots by the bytes of their tensors. */
export function assertSame(actual: Snapshot, expected: Snapshot): void {
  assert.deepEqual(plainly(actual), plainly(expected));
}

function plainly({ task, step, cursor, groups }: Snapshot) {
  const tensors = Object.entries(groups).flatMap(([group, members]) =>
    [...members].map(([path, tensor]) => ({
      name: `${group}/${path}`,
      dtype: tensor.dtype,
      shape: [...tensor.shape],
      type: tensor.data.constructor.name,
      bytes: [...bytesOf(tensor)],
    }))
  );
  return { task, step, cursor, tensors: tensors.sort((a, b) => a.name < b.name ? -1 : 1) };
}

function reversed(group: TensorGroup): TensorGroup {
  return new Map([...group].reverse());
}

/** The answer; throws for an error. */
export async function right<A>(work: TaskEither<SnapshotError, A>): Promise<A> {
  const result = await work();
  if (E.isRight(result)) return result.right;
  throw new Error(`Expected an answer, found an error: ${describeSnapshotError(result.left)}`);
}

/** The error; throws for an answer. */
export async function left(work: TaskEither<SnapshotError, unknown>): Promise<SnapshotError> {
  const result = await work();
  if (E.isLeft(result)) return result.left;
  throw new Error("Expected an error, found an answer");
}
