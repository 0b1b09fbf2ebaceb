import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  codeIdentity,
  collectGarbage,
  describeError,
  type Device,
  fileStore,
  orThrow,
  readCode,
  readRun,
  repairRun,
  replayRun,
  type RunError,
  type Store,
  trainRun,
  verifyRun,
} from "foldlog";
import { sha256 } from "foldlog/codec";
import { backendTest } from "../support/backends.ts";
import { firstCode, nextCode } from "../support/small_code.ts";
import { overwrite } from "../support/snapshot_files.ts";
import { eventsOf, tenSteps } from "../support/ten_steps.ts";

backendTest(
  "cpu",
  "garbage leaves all code that a log names, of archived runs too, and no other",
  async (device) => {
    await using files = await withCode(device);
    const { store } = files;
    const archived = codeIdentity(new Map([["b.ts", encoded("b")]]), []);
    await orThrow(trainRun({ store, device, code: archived }, "b", tenSteps, { until: 1 }));
    await orThrow(store.log.archive("b"));
    const unnamed = codeIdentity(new Map([["c.ts", encoded("of nobody")]]), []);
    (await orThrow(store.sources.put(unnamed.objects))).release();
    for (const extent of ["recent", "whole"] as const) {
      const collected = await orThrow(collectGarbage(store, { extent }));
      assert.equal(collected.objects, extent === "recent" ? 2 : 0, extent);
      for (const { objects } of [firstCode, nextCode, archived]) {
        for (const bytes of objects) {
          assert.deepEqual(await orThrow(store.sources.get(sha256(bytes))), bytes);
        }
      }
    }
    await Deno.remove(`${files.root}/.archive`, { recursive: true });
    await Deno.remove(`${files.root}/a`, { recursive: true });
    await orThrow(collectGarbage(store));
    for (const { digest } of [firstCode, nextCode, archived]) {
      assert.ok(E.isLeft(await store.sources.get(digest)()), "code of no run is kept");
    }
  },
);

backendTest(
  "cpu",
  "nothing is collected while a code manifest is damaged or of a newer format",
  async (device) => {
    await using files = await withCode(device);
    const { store } = files;
    (await orThrow(store.sources.put([encoded("of nobody")]))).release();
    const manifest = files.object(nextCode.digest);
    const whole = await Deno.readFile(manifest);
    await overwrite(manifest, whole.with(3, 0));
    for (const dryRun of [true, false]) {
      const error = await refusal(collectGarbage(store, { dryRun }));
      assert.ok(error.type === "CodeUnknown" && error.run === "a", JSON.stringify(error));
      assert.match(describeError(error), /Nothing was removed.*code of run "a".*is damaged/);
    }
    await orThrow(store.sources.get(sha256("of nobody")));
    await overwrite(manifest, whole);
    assert.equal((await orThrow(collectGarbage(store))).objects, 1);

    const newer = encoded('{"files":{},"format":2,"imports":[]}');
    const code = { digest: sha256(newer), manifest: firstCode.manifest, objects: [newer] };
    await orThrow(trainRun({ store, device, code }, "newer", tenSteps, { until: 1 }));
    const error = await refusal(collectGarbage(store));
    assert.ok(error.type === "CodeUnknown" && error.run === "newer", JSON.stringify(error));
    assert.match(describeError(error), /newer foldlog: format 2, this one knows up to 1/);
  },
);

backendTest(
  "cpu",
  "a code manifest that is missing altogether stops no collection",
  async (device) => {
    await using files = await withCode(device);
    await Deno.remove(files.object(nextCode.digest));
    const { objects } = await orThrow(collectGarbage(files.store));
    // Its one file that the other code has too stays.
    assert.equal(objects, 1);
  },
);

backendTest(
  "cpu",
  "verify finds lost code, and repair stores it again where it is that which is here",
  async (device) => {
    await using files = await withCode(device);
    const { store } = files;
    assert.deepEqual((await orThrow(verifyRun(store, "a"))).problems, []);
    const before = await eventsOf(store);
    await Deno.remove(files.object(sha256("3")));
    await overwrite(files.object(firstCode.digest), encoded("{}"));
    const { problems } = await orThrow(verifyRun(store, "a"));
    assert.deepEqual(problems.map(({ type }) => type), ["CodeUnreadable", "CodeUnreadable"]);
    assert.match(problems.map(({ message }) => message).join(), /missing.*--repair.*damaged/);
    const means = { device, task: tenSteps };
    const half = await orThrow(
      repairRun(store, "a", () => Promise.resolve({ ...means, code: nextCode })),
    );
    assert.deepEqual(half.problems.map(({ type }) => type), ["CodeUnreadable"]);
    assert.equal((await orThrow(readCode(store, "a"))).digest, nextCode.digest);
    const whole = await orThrow(
      repairRun(store, "a", () => Promise.resolve({ ...means, code: firstCode })),
    );
    assert.deepEqual(whole.problems, []);
    assert.deepEqual(await eventsOf(store), before);
  },
);

backendTest(
  "cpu",
  "replay and repair go on under other code, and say in what it differs",
  async (device) => {
    await using files = await withCode(device);
    const { store } = files;
    const same = await orThrow(replayRun({ store, device, code: nextCode }, "a", tenSteps));
    assert.deepEqual([same.ok, same.otherCode], [true, undefined]);
    const other = await orThrow(replayRun({ store, device, code: firstCode }, "a", tenSteps));
    assert.deepEqual([other.ok, other.replay?.steps], [true, 10]);
    const { otherCode } = other;
    assert.deepEqual([otherCode?.expected, otherCode?.actual], [nextCode.digest, firstCode.digest]);
    assert.deepEqual(otherCode?.difference?.changed, ["task.ts"]);

    const { snapshots } = (await orThrow(readRun(store, "a"))).state;
    await Deno.remove(files.object(snapshots[1]!.snapshot));
    let opened = 0;
    const repaired = await orThrow(repairRun(store, "a", () => {
      opened++;
      return Promise.resolve({ device, task: tenSteps, code: firstCode });
    }));
    assert.deepEqual([repaired.ok, repaired.repaired.snapshots.length, opened], [true, 1, 1]);
    assert.deepEqual(repaired.otherCode?.difference?.added, ["src/loss.ts"]);
  },
);

/** A store in files that has the run "a": five steps by one code, and the others by another. */
async function withCode(device: Device) {
  const root = await Deno.makeTempDir();
  const store: Store = fileStore(root);
  await orThrow(trainRun({ store, device, code: firstCode }, "a", tenSteps, { until: 5 }));
  const options = { acceptCodeChange: true };
  await orThrow(trainRun({ store, device, code: nextCode }, "a", tenSteps, options));
  return {
    root,
    store,
    object: (digest: string) => `${root}/objects/${digest.slice(0, 2)}/${digest}`,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

async function refusal(work: ReturnType<typeof collectGarbage>): Promise<RunError> {
  const result = await work();
  if (E.isLeft(result)) return result.left;
  throw new Error("Expected an error, found an answer");
}

function encoded(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
