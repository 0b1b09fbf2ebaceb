import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  describeError,
  type Device,
  memoryStore,
  type Notice,
  orThrow,
  type PartialConfig,
  readRun,
  type RunEvent,
  type Store,
  type TrainOptions,
  trainRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { eventsOf, tenSteps } from "../support/ten_steps.ts";

const grained: PartialConfig = { batch: { size: 8, micro: 4, grain: 2 } };

for (const backend of ["cpu", "wasm"] as const) {
  backendTest(
    backend,
    "a run with a grain goes on with any batch.micro that fits, to the same bits",
    async (device) => {
      const untouched = memoryStore();
      await orThrow(train(device, untouched, grained));
      const store = memoryStore();
      const notices: Notice[] = [];
      await killedAfter(device, store, grained, 3); // a step past a snapshot: one is recomputed
      await killedAfter(device, store, { batch: { micro: 8 } }, 7);
      await orThrow(
        train(device, store, { batch: { micro: 2 } }, {}, (notice) => notices.push(notice)),
      );
      assert.deepEqual(await eventsOf(store), await eventsOf(untouched));
      assert.equal((await orThrow(readRun(store, "a"))).state.config?.batch.micro, 4);
      const said = notices.filter(({ type }) => type === "MicroPasses");
      const path = "batch.micro";
      assert.deepEqual(said, [{ type: "MicroPasses", path, recorded: 4, asked: 2, grain: 2 }]);
    },
  );
}

backendTest("cpu", "nothing is said where batch.micro is the recorded one", async (device) => {
  const store = memoryStore();
  const notices: Notice[] = [];
  await orThrow(train(device, store, grained, { until: 3 }));
  await orThrow(
    train(device, store, { batch: { micro: 4 } }, {}, (notice) => notices.push(notice)),
  );
  assert.ok(!notices.some(({ type }) => type === "MicroPasses"));
});

backendTest(
  "cpu",
  "a batch.micro that the grain or the batch does not fit is refused",
  async (device) => {
    const store = memoryStore();
    await orThrow(train(device, store, grained, { until: 3 }));
    const before = await eventsOf(store);
    for (const micro of [0, 1, 3, 6, 16, -2]) {
      const refused = await train(device, store, { batch: { micro } })();
      assert.ok(E.isLeft(refused) && refused.left.type === "BadSetting", String(micro));
      const expected = "a multiple of the run's batch.grain, 2, that divides its batch.size, 8";
      assert.equal(
        describeError(refused.left),
        `Expected batch.micro to be ${expected}, found "${micro}".`,
      );
    }
    assert.deepEqual(await eventsOf(store), before);
  },
);

backendTest(
  "cpu",
  "without a grain another batch.micro is refused, and told what would help",
  async (device) => {
    const store = memoryStore();
    await orThrow(train(device, store, { batch: { size: 8, micro: 4 } }, { until: 3 }));
    const refused = await train(device, store, { batch: { micro: 8 } })();
    assert.ok(E.isLeft(refused) && refused.left.type === "ConfigDiffers");
    const change = { path: "batch.micro", recorded: 4, asked: 8, class: "training" };
    assert.deepEqual(refused.left.changes, [change]);
    const text = describeError(refused.left);
    assert.match(text, /batch\.micro: recorded 4, asked for 8/);
    assert.match(
      text,
      /start another run .*started with a batch\.grain, a divisor of each batch\.m/,
    );
  },
);

backendTest("cpu", "another batch.grain or batch.size is refused as ever", async (device) => {
  const store = memoryStore();
  await orThrow(train(device, store, grained, { until: 3 }));
  for (const batch of [{ grain: 4 }, { grain: 0 }, { size: 4 }, { micro: 8, grain: 4 }]) {
    const refused = await train(device, store, { batch })();
    assert.ok(E.isLeft(refused) && refused.left.type === "ConfigDiffers");
    const paths = refused.left.changes.map(({ path }) => path);
    assert.deepEqual(paths, ["size" in batch ? "batch.size" : "batch.grain"]);
    assert.doesNotMatch(describeError(refused.left), /a divisor of each/);
  }
});

function train(
  device: Device,
  store: Store,
  config: PartialConfig,
  options: TrainOptions = {},
  report: (notice: Notice) => void = () => {},
) {
  const { config: own, ...task } = tenSteps;
  const { batch: _, ...unbatched } = own!;
  const env = { store, device, reporter: { report } };
  return trainRun(env, "a", { ...task, config: unbatched }, { config, ...options });
}

/** Trains until a step is recorded, and dies as a process might. */
async function killedAfter(
  device: Device,
  store: Store,
  config: PartialConfig,
  step: number,
): Promise<void> {
  const dies = (notice: Notice) => {
    if (notice.type === "Step" && notice.step === step) throw new Error("killed");
  };
  await assert.rejects(train(device, store, config, {}, dies)(), /killed/);
  const events: readonly RunEvent[] = await eventsOf(store);
  assert.equal(events.filter(({ type }) => type === "StepTaken").length, step);
}
