import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { decodeManifest } from "../../src/codec/manifest_codec.ts";
import {
  batchDigest,
  differingLeaves,
  leafDigests,
  type PackedSnapshot,
  packSnapshot,
  stateDigest,
  tensorDigest,
  unpackSnapshot,
} from "../../src/codec/snapshot_codec.ts";
import { bytesOf, type DType, type HostTensor, sizeOf } from "../../src/core/host_tensor.ts";
import type { Snapshot, SnapshotManifest } from "../../src/core/snapshot.ts";
import { goldenSnapshot } from "../golden/golden_run.ts";

// NaNs with payloads, both zeros, infinities, subnormals: words that arithmetic would lose.
const word = fc.oneof(
  fc.constantFrom(0x7fc00000, 0x7fc12345, 0xffc00001, 0x7f800001, 0x80000000, 0, 0x7f800000, 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);

const tensor: fc.Arbitrary<HostTensor> = fc
  .tuple(
    fc.constantFrom<DType>("float32", "int32"),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  )
  .chain(([dtype, shape]) =>
    fc.array(word, { minLength: sizeOf(shape), maxLength: sizeOf(shape) })
      .map((words) => tensorOf(dtype, shape, words))
  );

const path = fc.oneof(
  fc.constantFrom("h.0.weight", "h.10.weight", "h.9.weight", "", "w", "/", "constructor"),
  fc.string({ maxLength: 6 }).filter((path) => !/^__proto__$|["\\]/.test(path)),
);

const group = fc.dictionary(path, tensor, { maxKeys: 4 }).map((tensors) =>
  new Map(Object.entries(tensors))
);

const count = fc.maxSafeNat();

const snapshot: fc.Arbitrary<Snapshot> = fc.record({
  task: fc.string({ maxLength: 6 }),
  step: count,
  cursor: fc.record({ epoch: count, index: count }, { noNullPrototype: true }),
  history: fc.constantFrom("0".repeat(64), "ef".repeat(32)),
  groups: fc.record({ model: group, optimizer: group }, { noNullPrototype: true }),
}, { requiredKeys: ["task", "step", "cursor", "groups"] });

Deno.test("unpackSnapshot() gives back every bit that packSnapshot() was given", () => {
  fc.assert(fc.property(snapshot, (snapshot) => {
    const { manifestBytes, files } = packSnapshot(snapshot);
    const manifest = right(decodeManifest(manifestBytes));
    assert.deepEqual(picture(right(unpackSnapshot(manifest, files))), picture(snapshot));
  }));
});

Deno.test("packSnapshot() gives equal snapshots equal bytes, whatever order their tensors come in", () => {
  fc.assert(fc.property(snapshot, (snapshot) => {
    const groups = Object.fromEntries(
      Object.entries(snapshot.groups).reverse()
        .map(([group, tensors]) => [group, new Map([...tensors].reverse())]),
    );
    const first = packSnapshot(snapshot);
    for (const again of [packSnapshot(snapshot), packSnapshot({ ...snapshot, groups })]) {
      assert.equal(again.id, first.id);
      assert.deepEqual(again.manifestBytes, first.manifestBytes);
      assert.deepEqual(again.files.get("model"), first.files.get("model"));
      assert.deepEqual(again.files.get("optimizer"), first.files.get("optimizer"));
    }
  }));
});

Deno.test("packSnapshot() names each object by the SHA-256 of its bytes, and says how long a file is", () => {
  const { id, manifest, manifestBytes, files } = packSnapshot(goldenSnapshot);
  assert.equal(id, sha256(manifestBytes));
  assert.deepEqual([...files.keys()], ["model", "optimizer"]);
  assert.deepEqual(Object.keys(manifest.files), ["model", "optimizer"]);
  for (const [group, bytes] of files) {
    assert.deepEqual(manifest.files[group], { digest: sha256(bytes), bytes: bytes.length });
  }
  assert.deepEqual(right(decodeManifest(manifestBytes)), manifest);
});

Deno.test("packSnapshot() gives every other snapshot another id; the state is that of its tensors", () => {
  const { id, manifest } = packSnapshot(goldenSnapshot);
  const { step, cursor } = goldenSnapshot;
  for (
    const other of [
      { ...goldenSnapshot, task: "silver" },
      { ...goldenSnapshot, step: step + 1 },
      { ...goldenSnapshot, cursor: { ...cursor, epoch: 1 } },
      { ...goldenSnapshot, cursor: { ...cursor, index: 1 } },
    ]
  ) {
    const packed = packSnapshot(other);
    assert.notEqual(packed.id, id);
    assert.equal(packed.manifest.state, manifest.state);
  }
  for (const [group, tensors] of Object.entries(goldenSnapshot.groups)) {
    for (const [path, tensor] of tensors) {
      for (const changed of neighbours(tensor)) {
        const packed = packSnapshot(withTensor(goldenSnapshot, group, path, changed));
        assert.notEqual(packed.id, id);
        assert.notEqual(packed.manifest.state, manifest.state);
        const different = differingLeaves(manifest.leaves, packed.manifest.leaves);
        assert.deepEqual(different, [`${group}/${path}`]);
      }
    }
  }
});

Deno.test("packSnapshot() borrows the tensors: their bytes stay as they were", () => {
  const before = picture(goldenSnapshot);
  packSnapshot(goldenSnapshot);
  assert.deepEqual(picture(goldenSnapshot), before);
});

Deno.test("unpackSnapshot() finds any one flipped bit of any file, and names the file", () => {
  const { manifest, files } = packSnapshot(goldenSnapshot);
  for (const [group, bytes] of files) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.with(bit >> 3, bytes[bit >> 3]! ^ 1 << (bit & 7));
      const reason = left(unpackSnapshot(manifest, new Map(files).set(group, flipped)));
      assert.ok(reason.startsWith(`file "${group}": expected digest `), `bit ${bit}: ${reason}`);
    }
  }
});

Deno.test("unpackSnapshot() finds a file that is missing, cut, lengthened or another's", () => {
  const { manifest, files } = packSnapshot(goldenSnapshot);
  const model = files.get("model")!;
  const only = new Map([["model", model]]);
  assert.equal(left(unpackSnapshot(manifest, only)), 'file "optimizer" is missing');
  for (
    const other of [
      model.subarray(0, -1),
      Uint8Array.of(...model, 0),
      new Uint8Array(0),
      files.get("optimizer")!,
    ]
  ) {
    const reason = left(unpackSnapshot(manifest, new Map(files).set("model", other)));
    assert.match(
      reason,
      other.length === model.length
        ? /^file "model": expected digest [0-9a-f]{12}, found [0-9a-f]{12}$/
        : /^file "model": expected \d+ bytes, found \d+$/,
    );
  }
});

Deno.test("unpackSnapshot() finds any leaf that is not the manifest's, and names it", () => {
  const packed = packSnapshot(goldenSnapshot);
  const { leaves } = packed.manifest;
  for (const name of Object.keys(leaves)) {
    const expected = `tensor "${name}" is not the manifest's`;
    const changed = { ...leaves, [name]: "7".repeat(64) };
    assert.equal(left(reopened(packed, { leaves: changed })), expected);
    const { [name]: _, ...fewer } = leaves;
    assert.equal(left(reopened(packed, { leaves: fewer })), expected);
  }
  const more = { ...leaves, "model/extra": "7".repeat(64) };
  assert.equal(
    left(reopened(packed, { leaves: more })),
    `tensor "model/extra" is not the manifest's`,
  );
});

Deno.test("unpackSnapshot() finds leaves that were exchanged, and a forged file with a good digest", () => {
  const packed = packSnapshot(goldenSnapshot);
  const { files, leaves } = packed.manifest;
  const [a, b] = ["model/h.0.bias", "model/h.0.weight"] as const;
  const exchanged = { ...leaves, [a]: leaves[b]!, [b]: leaves[a]! };
  assert.equal(
    left(reopened(packed, { leaves: exchanged })),
    `tensor "${a}" is not the manifest's`,
  );

  const scale = tensorOf("float32", [], [0]);
  const forged = packSnapshot(withTensor(goldenSnapshot, "optimizer", "scale", scale));
  const mixed = { ...packed.manifest, files: { ...files, ...forged.manifest.files } };
  assert.equal(
    left(unpackSnapshot(mixed, forged.files)),
    `tensor "optimizer/scale" is not the manifest's`,
  );
});

Deno.test("unpackSnapshot() finds a state digest that is not that of the leaves", () => {
  const packed = packSnapshot(goldenSnapshot);
  assert.equal(
    left(reopened(packed, { state: "7".repeat(64) })),
    "the manifest's state digest is not that of its tensors",
  );
});

Deno.test("unpackSnapshot() finds a file that its manifest vouches for and that is no safetensors", () => {
  const { manifest, files } = packSnapshot(goldenSnapshot);
  const bytes = new TextEncoder().encode("no tensors here");
  const model = { digest: sha256(bytes), bytes: bytes.length };
  const reason = left(unpackSnapshot(
    { ...manifest, files: { ...manifest.files, model } },
    new Map(files).set("model", bytes),
  ));
  assert.ok(reason.startsWith('file "model": Cannot read safetensors: '), reason);
});

Deno.test("tensorDigest() is over type, shape and little-endian bytes, as docs/format.md has it", () => {
  const tensor = tensorOf("float32", [2, 1], [0x3f800000, 0x80000000]);
  const text = new TextEncoder().encode("float32[2,1]\n");
  const expected = sha256(Uint8Array.of(...text, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x80));
  assert.equal(tensorDigest(tensor), expected);
  const wide = Float32Array.of(9, 1, -0, 9);
  assert.equal(tensorDigest({ ...tensor, data: wide.subarray(1, 3) }), expected, "a view");
  assert.equal(
    tensorDigest(tensorOf("int32", [], [0xffffffff])),
    sha256(Uint8Array.of(...new TextEncoder().encode("int32[]\n"), 255, 255, 255, 255)),
  );
});

Deno.test("tensorDigest() tells types, shapes and bits apart that have equal bytes or equal values", () => {
  const words = [0x7fc00000, 0, 1, 2, 3, 4];
  const tensors = [
    tensorOf("float32", [6], words),
    tensorOf("int32", [6], words),
    tensorOf("float32", [2, 3], words),
    tensorOf("float32", [3, 2], words),
    tensorOf("float32", [1, 6], words),
    tensorOf("float32", [6], words.with(0, 0x7fc00001)), // another NaN
    tensorOf("float32", [6], words.with(1, 0x80000000)), // -0
    tensorOf("float32", [0, 6], []),
    tensorOf("float32", [6, 0], []),
  ];
  assert.equal(new Set(tensors.map(tensorDigest)).size, tensors.length);
});

Deno.test("stateDigest(), leafDigests() and batchDigest() are digests of digests by sorted name", () => {
  const a = tensorOf("int32", [1], [1]);
  const b = tensorOf("int32", [1], [2]);
  const [da, db] = [tensorDigest(a), tensorDigest(b)];
  const leaves = leafDigests({
    optimizer: new Map([["b", b]]),
    model: new Map([["z", b], ["a", a]]),
  });
  assert.deepEqual(Object.entries(leaves), [
    ["model/a", da],
    ["model/z", db],
    ["optimizer/b", db],
  ]);
  const encoder = new TextEncoder();
  assert.equal(
    stateDigest(leaves),
    sha256(encoder.encode(`{"model/a":"${da}","model/z":"${db}","optimizer/b":"${db}"}`)),
  );
  assert.equal(batchDigest({ y: b, x: a }), sha256(encoder.encode(`{"x":"${da}","y":"${db}"}`)));
  assert.notEqual(batchDigest({ x: b, y: a }), batchDigest({ x: a, y: b }));
});

Deno.test("differingLeaves() lists in sorted order what differs or is on one side only", () => {
  const before = { b: "1", a: "1", toString: "1", gone: "1" };
  const after = { toString: "1", a: "2", b: "1", added: "1", constructor: "1" };
  assert.deepEqual(differingLeaves(before, after), ["a", "added", "constructor", "gone"]);
  assert.deepEqual(differingLeaves(after, before), ["a", "added", "constructor", "gone"]);
  assert.deepEqual(differingLeaves(before, { ...before }), []);
  assert.deepEqual(differingLeaves({}, {}), []);
});

/** What the packed files say under a manifest that was changed. */
function reopened(packed: PackedSnapshot, changes: Partial<SnapshotManifest>) {
  return unpackSnapshot({ ...packed.manifest, ...changes }, packed.files);
}

/** Tensors that differ in one bit, in their type, or in their shape alone. */
function neighbours(tensor: HostTensor): readonly HostTensor[] {
  const words = [...new Uint32Array(bytesOf(tensor).slice().buffer)];
  const { dtype, shape } = tensor;
  const flipped = words.flatMap((word, index) =>
    [0, 31].map((bit) => tensorOf(dtype, shape, words.with(index, (word ^ 1 << bit) >>> 0)))
  );
  const other = dtype === "float32" ? "int32" : "float32";
  return [...flipped, tensorOf(other, shape, words), tensorOf(dtype, [...shape, 1], words)];
}

function withTensor(
  snapshot: Snapshot,
  group: string,
  path: string,
  tensor: HostTensor,
): Snapshot {
  const tensors = new Map(snapshot.groups[group]).set(path, tensor);
  return { ...snapshot, groups: { ...snapshot.groups, [group]: tensors } };
}

function tensorOf(dtype: DType, shape: readonly number[], words: readonly number[]): HostTensor {
  const { buffer } = Uint32Array.from(words);
  const data = dtype === "float32" ? new Float32Array(buffer) : new Int32Array(buffer);
  return { dtype, shape, data };
}

/** The snapshot with its tensors as bytes: NaNs compare by their bits. */
function picture({ task, step, cursor, history, groups }: Snapshot): unknown {
  const tensors = Object.entries(groups).map(([group, tensors]) => [
    group,
    Object.fromEntries(
      [...tensors].map(([path, tensor]) => [
        path,
        [tensor.dtype, tensor.shape, [...bytesOf(tensor)]],
      ]),
    ),
  ]);
  return { task, step, cursor, history, groups: Object.fromEntries(tensors) };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function right<A>(result: E.Either<unknown, A>): A {
  if (E.isLeft(result)) assert.fail(JSON.stringify(result.left));
  return result.right;
}

function left<A>(result: E.Either<A, unknown>): A {
  assert.ok(E.isLeft(result), "taken");
  return result.left;
}
