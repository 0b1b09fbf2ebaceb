import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  arraySource,
  type CodeIdentity,
  describeError,
  type Device,
  isTrainingFact,
  memoryStore,
  orThrow,
  readCode,
  readRun,
  type RunError,
  type RunEvent,
  type Store,
  type Task,
  type TrainOptions,
  trainRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { firstCode, nextCode } from "../support/small_code.ts";
import { eventsOf, tenSteps } from "../support/ten_steps.ts";

backendTest(
  "cpu",
  "a run records its code and its held-out data, and keeps all files",
  async (device) => {
    const store = memoryStore();
    await train(device, store, firstCode);
    const [started] = await eventsOf(store);
    assert.ok(started?.type === "RunStarted");
    assert.equal(started.data.code, firstCode.digest);
    assert.deepEqual(started.data.heldOut, tenSteps.evaluation!.data.identity);
    const { digest, manifest, files } = await orThrow(readCode(store, "a"));
    assert.deepEqual([digest, manifest], [firstCode.digest, firstCode.manifest]);
    const texts = [...files].map(([path, bytes]) => [path, new TextDecoder().decode(bytes)]);
    assert.deepEqual(texts.sort(), [["src/loss.ts", "2"], ["task.ts", "1"]]);
  },
);

backendTest(
  "cpu",
  "a run that is not given its code, or a task without an evaluation, records none",
  async (device) => {
    const store = memoryStore();
    const { evaluation: _, ...task } = tenSteps;
    await orThrow(trainRun({ store, device }, "a", task));
    const [started] = await eventsOf(store);
    assert.deepEqual(Object.keys(started!.data).filter((name) => /code|heldOut/.test(name)), []);
    const unrecorded = await readCode(store, "a")();
    assert.ok(E.isLeft(unrecorded) && unrecorded.left.type === "CodeUnrecorded");
  },
);

backendTest(
  "cpu",
  "code is stored before the event that names it, and nothing collects it until then",
  async (device) => {
    const store = memoryStore();
    const told: string[] = [];
    const telling: Store = {
      ...store,
      sources: {
        ...store.sources,
        put: (files) => async () => {
          const stored = await store.sources.put(files)();
          told.push("stored");
          if (E.isLeft(stored)) return stored;
          return E.right({
            ...stored.right,
            release: () => {
              told.push("released");
              stored.right.release();
            },
          });
        },
      },
      log: {
        ...store.log,
        open: (run) => async () => {
          const opened = await store.log.open(run)();
          if (E.isLeft(opened)) return opened;
          const append: typeof opened.right.append = (events, version) => {
            told.push(...events.map(({ type }) => type));
            return opened.right.append(events, version);
          };
          return E.right({ ...opened.right, append });
        },
      },
    };
    await train(device, telling, firstCode, { until: 1 });
    assert.deepEqual(told.slice(0, 4), ["stored", "RunStarted", "released", "StepTaken"]);
    told.length = 0;
    await train(device, telling, nextCode, { until: 2, acceptCodeChange: true });
    assert.deepEqual(told.slice(0, 4), ["stored", "RunResumed", "CodeChanged", "released"]);
    told.length = 0;
    await train(device, telling, nextCode, { until: 3 });
    assert.ok(!told.includes("stored"), "code that is known is not stored again");
  },
);

backendTest(
  "cpu",
  "a run whose code cannot be stored is not begun, says why, and begins later",
  async (device) => {
    const store = memoryStore();
    const reason = "no space left";
    const full: Store = {
      ...store,
      sources: {
        ...store.sources,
        put: () => () =>
          Promise.resolve(
            E.left({ type: "SourcesUnavailable", action: "store the sources", place: "x", reason }),
          ),
      },
    };
    const refused = await trainRun({ store: full, device, code: firstCode }, "a", tenSteps)();
    assert.ok(E.isLeft(refused) && refused.left.type === "SourcesUnavailable");
    assert.match(describeError(refused.left), /^Cannot store the sources at x: no space left/);
    assert.deepEqual((await orThrow(store.log.read("a"))).events, []);
    await train(device, store, firstCode);
  },
);

backendTest(
  "cpu",
  "other code is refused, says in what it differs, and leaves the log as it was",
  async (device) => {
    const store = memoryStore();
    await train(device, store, firstCode, { until: 5 });
    const before = await eventsOf(store);
    const error = await refusal(trainRun({ store, device, code: nextCode }, "a", tenSteps));
    assert.ok(error.type === "CodeDiffers", error.type);
    assert.deepEqual(error.difference, {
      changed: ["task.ts"],
      added: ["src/new.ts"],
      removed: ["src/loss.ts"],
      importsAdded: ["npm:a@2.0.0"],
      importsRemoved: ["npm:a@1.0.0"],
    });
    const text = describeError(error);
    for (
      const line of [
        `expected ${firstCode.digest.slice(0, 12)}, found ${nextCode.digest.slice(0, 12)}`,
        "  changed: task.ts\n",
        "  added: src/new.ts\n",
        "  removed: src/loss.ts\n",
        "  imported now: npm:a@2.0.0\n",
        "  no longer imported: npm:a@1.0.0\n",
        "--accept-code-change",
      ]
    ) assert.ok(text.includes(line), `${line} in ${text}`);
    assert.deepEqual(await eventsOf(store), before);
  },
);

backendTest(
  "cpu",
  "other code is refused where the files of the old are lost, too",
  async (device) => {
    const store = memoryStore();
    await train(device, store, firstCode, { until: 5 });
    const lossy: Store = { ...store, sources: memoryStore().sources };
    const error = await refusal(trainRun({ store: lossy, device, code: nextCode }, "a", tenSteps));
    assert.ok(error.type === "CodeDiffers" && error.difference === undefined);
    assert.match(describeError(error), /cannot be told\. The source .* is missing/);
  },
);

backendTest("cpu", "the same code, and none, go on without a word", async (device) => {
  const untouched = memoryStore();
  await train(device, untouched, firstCode);
  for (const code of [firstCode, undefined]) {
    const store = memoryStore();
    await train(device, store, firstCode, { until: 5 });
    await train(device, store, code);
    assert.deepEqual(await factsOf(store), await factsOf(untouched));
    assert.ok((await eventsOf(store)).every(({ type }) => type !== "CodeChanged"));
  }
});

backendTest(
  "cpu",
  "code that is accepted is recorded where it begins, and the facts stay what they are",
  async (device) => {
    const untouched = memoryStore();
    await train(device, untouched, firstCode);
    const store = memoryStore();
    await train(device, store, firstCode, { until: 5 });
    await train(device, store, nextCode, { until: 7, acceptCodeChange: true });
    assert.deepEqual((await eventsOf(store)).filter(({ type }) => type === "CodeChanged"), [
      { type: "CodeChanged", data: { step: 5, code: nextCode.digest } },
    ]);
    const { state } = await orThrow(readRun(store, "a"));
    assert.deepEqual([state.code, state.otherCode], [nextCode.digest, [firstCode.digest]]);
    assert.equal((await orThrow(readCode(store, "a"))).digest, nextCode.digest);
    const back = await refusal(trainRun({ store, device, code: firstCode }, "a", tenSteps));
    assert.equal(back.type, "CodeDiffers");
    await train(device, store, nextCode, { acceptCodeChange: true });
    assert.equal((await eventsOf(store)).filter(({ type }) => type === "CodeChanged").length, 1);
    assert.deepEqual(await factsOf(store), await factsOf(untouched));
  },
);

backendTest(
  "cpu",
  "a run that died goes on under accepted code from where its log ends",
  async (device) => {
    const untouched = memoryStore();
    await train(device, untouched, firstCode);
    const store = memoryStore();
    const killed = new Error("killed");
    const dying: Task = {
      ...tenSteps,
      data: {
        ...tenSteps.data,
        at: (indices) => {
          if (++asked > 5) throw killed;
          return tenSteps.data.at(indices);
        },
      },
    };
    let asked = 0;
    await trainRun({ store, device, code: firstCode }, "a", dying)();
    const { state: { step } } = await orThrow(readRun(store, "a"));
    assert.equal(step, 5); // its newest snapshot is of step 4
    await train(device, store, nextCode, { acceptCodeChange: true });
    const changes = (await eventsOf(store)).filter(({ type }) => type === "CodeChanged");
    assert.deepEqual(changes, [{ type: "CodeChanged", data: { step, code: nextCode.digest } }]);
    assert.deepEqual(await factsOf(store), await factsOf(untouched));
  },
);

backendTest("cpu", "other held-out data is refused as other training data is", async (device) => {
  const store = memoryStore();
  await train(device, store, firstCode, { until: 5 });
  const ones = { dtype: "float32", shape: [8, 1], data: new Float32Array(8).fill(1) } as const;
  const { evaluation: _, ...without } = tenSteps;
  const other = { ...tenSteps.evaluation!, data: arraySource("held out", { x: ones, y: ones }) };
  for (
    const [task, found] of [[{ ...tenSteps, evaluation: other }, "8 with "], [
      without,
      "none",
    ]] as const
  ) {
    const error = await refusal(trainRun({ store, device }, "a", task));
    assert.ok(error.type === "HeldOutDiffers", error.type);
    assert.deepEqual(error.expected, tenSteps.evaluation!.data.identity);
    const text = describeError(error);
    assert.ok(text.includes('The held-out data of run "a" changed: expected 8 samples'), text);
    assert.ok(text.includes(`found ${found}`), text);
  }
  await train(device, store, firstCode);
});

function train(
  device: Device,
  store: Store,
  code: CodeIdentity | undefined,
  options: TrainOptions = {},
) {
  return orThrow(trainRun({ store, device, ...(code && { code }) }, "a", tenSteps, options));
}

async function refusal(work: ReturnType<typeof trainRun>): Promise<RunError> {
  const result = await work();
  if (E.isLeft(result)) return result.left;
  throw new Error("Expected an error, found an answer");
}

async function factsOf(store: Store): Promise<readonly RunEvent[]> {
  return (await eventsOf(store)).filter(isTrainingFact);
}
