import { fileSnapshotStore } from "../../src/adapters/file_objects/file_snapshot_store.ts";
import { assertSame, floats, ints, snapshotOf } from "../../src/testing/sample_snapshots.ts";
import { right } from "../../src/testing/snapshot_answers.ts";

// Two snapshots as the first foldlog that compressed wrote them: a file that is kept whole, and one that
// is kept as a difference from it. A test that fails here says that today's code can no longer read what
// is on people's disks. What it writes may differ: that depends on the version of zstd.
const ids = [
  "01c17169193a0303a31a641be42acd9f1219e3fe6e37b0a1ee76df25710a6c57",
  "c9eee9eb3a24f532e02e1cb2e3d5b694841eb30aff6e71c6e630b5a2e6de03ae",
];
const root = new URL("compressed_1", import.meta.url).pathname;

for (const [index, id] of ids.entries()) {
  Deno.test(`the golden compressed snapshot ${index + 1} reads bit for bit as it was written`, async () => {
    const step = index + 1;
    const w = Float32Array.from(
      { length: 100 },
      (_, at) => at * at / 7 + (at % 10 === 0 ? step : 0),
    );
    w[3] = NaN;
    w[4] = -0;
    const model = { w: floats(w, [10, 10]), n: ints([step, -1]) };
    assertSame(await right(fileSnapshotStore(root).get(id)), snapshotOf(step, { model }));
  });
}
