import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { describeError } from "../app/errors/describe_error.ts";
import { sha256 } from "../codec/digest.ts";
import type { Digest } from "../core/digest.ts";
import type { LiveObjects, SnapshotError } from "../ports/snapshot_store.ts";
import type { SourceError, SourceStore } from "../ports/source_store.ts";
import type { Store } from "../ports/store.ts";
import { floats, snapshotOf } from "./sample_snapshots.ts";
import { keep } from "./snapshot_answers.ts";

/** A source store that is empty at first, and the snapshots that share its objects. */
export interface SourceFixture extends AsyncDisposable {
  readonly store: Pick<Store, "sources" | "snapshots">;
  /** The same store as a new process would open it; absent where it ends with its process. */
  readonly reopen?: () => Pick<Store, "sources" | "snapshots">;
}

/**
 * Registers what every source store must do, as tests of the adapter `name`: an adapter that passes can
 * stand in for those that foldlog has. `make` is called anew for each test.
 */
export function sourceStoreContract(name: string, make: () => Promise<SourceFixture>): void {
  function claim(text: string, check: (fixture: SourceFixture) => Promise<void>) {
    Deno.test(`${name}: ${text}`, async () => {
      await using fixture = await make();
      await check(fixture);
    });
  }

  claim(
    "get() gives back what put() was given, byte for byte, under its digest",
    async (fixture) => {
      const files = [bytes("one"), new Uint8Array(0), bytes("{}"), new Uint8Array(200_000).fill(7)];
      const digests = await stored(fixture.store.sources, files);
      assert.deepEqual(digests, files.map((file) => sha256(file)));
      const { sources } = fixture.reopen?.() ?? fixture.store;
      for (const [index, digest] of digests.entries()) {
        assert.deepEqual(await answer(sources.get(digest)), files[index]);
      }
    },
  );

  claim("what is given and taken is nobody else's memory", async ({ store: { sources } }) => {
    const file = bytes("one");
    const [digest] = await stored(sources, [file]);
    file.fill(0);
    const taken = await answer(sources.get(digest!));
    taken.fill(1);
    assert.deepEqual(await answer(sources.get(digest!)), bytes("one"));
  });

  claim(
    "put() of many files, of equal ones and of known ones keeps them all",
    async ({ store }) => {
      const many = Array.from({ length: 100 }, (_, index) => bytes(`file ${index % 70}`));
      const digests = await stored(store.sources, many);
      assert.deepEqual(await stored(store.sources, many), digests);
      assert.deepEqual(await stored(store.sources, []), []);
      for (const [index, digest] of digests.entries()) {
        assert.deepEqual(await answer(store.sources.get(digest)), many[index]);
      }
    },
  );

  claim("get() of what is not there is SourceMissing, and names it", async ({ store }) => {
    const digest = sha256("not there");
    const error = await refusal(store.sources.get(digest));
    assert.ok(error.type === "SourceMissing", JSON.stringify(error));
    assert.equal(error.digest, digest);
  });

  for (const dryRun of [true, false]) {
    const name =
      `collect() of the snapshots counts and removes dead files alone (dryRun ${dryRun})`;
    claim(name, async (fixture) => {
      const { sources, snapshots } = fixture.store;
      const [live, dead] = await stored(sources, [bytes("{ live"), bytes("dead file")]);
      const { id } = await keep(snapshots, "a", sampleSnapshot());
      const named = { snapshots: new Set([id]), sources: new Set([live!]) };
      const collected = await answer(snapshots.collect(naming(named), { dryRun }));
      assert.deepEqual(collected, { objects: 1, bytes: "dead file".length });
      const after = fixture.reopen?.() ?? fixture.store;
      assert.deepEqual(await answer(after.sources.get(live!)), bytes("{ live"));
      await answer(after.snapshots.get(id));
      if (dryRun) assert.deepEqual(await answer(after.sources.get(dead!)), bytes("dead file"));
      else assert.equal((await refusal(after.sources.get(dead!))).type, "SourceMissing");
    });
  }

  claim("collect() waits until files that were put are released", async ({ store }) => {
    const { sources, snapshots } = store;
    const { digests, release } = await answer(sources.put([bytes("named soon")]));
    let asked = false;
    const collecting = answer(snapshots.collect(() => {
      asked = true;
      return naming({ snapshots: new Set(), sources: new Set(digests) })();
    }));
    for (let times = 0; times < 50; times++) await answer(snapshots.list());
    assert.ok(!asked, "live was asked for before the release");
    release();
    release();
    assert.deepEqual(await collecting, { objects: 0, bytes: 0 });
    assert.deepEqual(await answer(sources.get(digests[0]!)), bytes("named soon"));
  });
}

/** Stores files, and releases them. */
async function stored(
  store: SourceStore,
  files: readonly Uint8Array[],
): Promise<readonly Digest[]> {
  const { digests, release } = await answer(store.put(files));
  release();
  return digests;
}

async function answer<A>(work: TaskEither<SourceError | SnapshotError, A>): Promise<A> {
  const result = await work();
  if (E.isRight(result)) return result.right;
  throw new Error(`Expected an answer, found an error: ${describeError(result.left)}`);
}

async function refusal(work: TaskEither<SourceError, unknown>): Promise<SourceError> {
  const result = await work();
  if (E.isLeft(result)) return result.left;
  throw new Error("Expected an error, found an answer");
}

function sampleSnapshot() {
  return snapshotOf(1, { model: { w: floats([1, 2]) } });
}

function naming(live: LiveObjects) {
  return () => () => Promise.resolve(E.right(live));
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
