import assert from "node:assert/strict";
import {
  isTrainingFact,
  memoryStore,
  orThrow,
  replayRun,
  type RunEvent,
  type Store,
  trainRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { eventsOf, tenSteps } from "../support/ten_steps.ts";

const config = {
  save: { every: 0, best: true },
  evaluate: { every: 1, batches: 1 },
  optimizer: { learningRate: 0.5 }, // so that some evaluations are worse than the one before
};

for (const [backend, every] of [["cpu", 1], ["cpu", 3], ["webgpu", 1], ["webgpu", 3]] as const) {
  backendTest(
    backend,
    "save.best takes a snapshot wherever an evaluation is better than all before, and nowhere else, " +
      `evaluated every ${every}`,
    async (device) => {
      const store = memoryStore();
      const rare = { ...config, evaluate: { every, batches: 1 } };
      await orThrow(trainRun({ store, device }, "a", tenSteps, { config: rare }));
      const events = await eventsOf(store);
      const better = betterSteps(events);
      assert.ok(better.length > 0 && better.length < 9, `better at ${better}`);
      const saved = events.flatMap(({ type, data }) =>
        type === "SnapshotTaken" && data.reason === "best" ? [data.step] : []
      );
      assert.deepEqual(saved, better.filter((step) => step < 10));
      assert.deepEqual((await orThrow(replayRun({ store, device }, "a", tenSteps))).problems, []);
    },
  );
}

backendTest("cpu", "a run that saves the best has the bits of one left alone", async (device) => {
  const facts = async (store: Store) => (await eventsOf(store)).filter(isTrainingFact);
  const whole = memoryStore();
  await orThrow(trainRun({ store: whole, device }, "a", tenSteps, { config }));
  for (const until of [1, 4, 7]) {
    const store = memoryStore();
    await orThrow(trainRun({ store, device }, "a", tenSteps, { config, until }));
    await orThrow(trainRun({ store, device }, "a", tenSteps, { config }));
    assert.deepEqual(await facts(store), await facts(whole), `paused at ${until}`);
  }
});

backendTest("cpu", "save.best can be turned on in the middle of a run", async (device) => {
  const store = memoryStore();
  const without = { ...config, save: { every: 0 } };
  await orThrow(trainRun({ store, device }, "a", tenSteps, { config: without, until: 3 }));
  await orThrow(trainRun({ store, device }, "a", tenSteps, { config }));
  const events = await eventsOf(store);
  const saved = events.filter(({ type, data }) =>
    type === "SnapshotTaken" && data.reason === "best"
  );
  const later = betterSteps(events).filter((step) => step > 3 && step < 10);
  assert.deepEqual(saved.map(({ data }) => "step" in data && data.step), later);
});

/** The steps whose evaluation is better than all before. */
function betterSteps(events: readonly RunEvent[]): readonly number[] {
  let best = Infinity;
  return events.flatMap(({ type, data }) => {
    if (type !== "EvaluationTaken" || data.loss >= best) return [];
    best = data.loss;
    return [data.step];
  });
}
