import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  type Device,
  DivergenceError,
  type Notice,
  orThrow,
  readRun,
  resumeRun,
  type Store,
  type Task,
  trainRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import { backendTest } from "../support/backends.ts";
import { memoryStore } from "../../src/adapters/memory/memory_store.ts";
import { eventsOf, tenSteps } from "../support/ten_steps.ts";

/** Whose losses are not those of `tenSteps`. */
const drifted = {
  ...tenSteps,
  loss: (...args: Parameters<typeof tenSteps.loss>) =>
    tf.mul(tenSteps.loss(...args), 1.5) as tf.Scalar,
};

backendTest("cpu", "a resume that diverges stops, and names the step", async (device) => {
  const store = await killedAfter(device, 5);
  const before = await eventsOf(store);
  const result = await resumeRun({ store, device }, "a", drifted)();
  assert.ok(E.isLeft(result) && result.left.type === "Diverged");
  const { step, from, members, environment } = result.left;
  assert.deepEqual([step, from, members, environment], [5, 4, ["gradNorm", "loss"], []]);
  await assert.rejects(orThrow(resumeRun({ store, device }, "a", drifted)), (error) => {
    assert.ok(error instanceof DivergenceError);
    const { expected, actual } = error;
    assert.deepEqual([error.step, error.leaf, expected.type, actual.type], [
      5,
      undefined,
      "StepTaken",
      "StepTaken",
    ]);
    return true;
  });
  assert.deepEqual(await eventsOf(store), before);
});

backendTest(
  "cpu",
  "a resume that diverges goes on as a fork where that is asked",
  async (device) => {
    const store = await killedAfter(device, 5);
    const before = await eventsOf(store);
    const notices: Notice[] = [];
    const reporter = { report: (notice: Notice) => void notices.push(notice) };
    const wish = { onDivergence: { fork: "b" } };
    const { run, fork, state } = await orThrow(
      resumeRun({ store, device, reporter }, "a", drifted, wish),
    );
    assert.deepEqual([run, state.status, state.step], ["b", "completed", 10]);
    assert.deepEqual([fork?.origin.step, fork?.origin.divergence], [4, 5]);
    assert.deepEqual(await eventsOf(store), before);
    assert.equal((await orThrow(readRun(store, "b"))).state.origin?.parent?.run, "a");
    const said = notices.find(({ type }) => type === "Forked");
    assert.deepEqual(said, { type: "Forked", run: "b", step: 4, divergence: 5 });
  },
);

backendTest("cpu", "a resume that does not diverge makes no fork", async (device) => {
  const store = await killedAfter(device, 5);
  const wish = { onDivergence: { fork: "b" } };
  const outcome = await orThrow(resumeRun({ store, device }, "a", tenSteps, wish));
  assert.deepEqual([outcome.run, outcome.fork], ["a", undefined]);
  assert.deepEqual(await orThrow(store.log.runs()), ["a"]);
});

backendTest("cpu", "a resume of what is not there is refused", async (device) => {
  const result = await resumeRun({ store: memoryStore(), device }, "a", tenSteps)();
  assert.ok(E.isLeft(result) && result.left.type === "RunMissing");
});

backendTest("cpu", "a resume changes settings, also those of the task's own", async (device) => {
  const made: unknown[] = [];
  const task = {
    ...tenSteps,
    config: { ...tenSteps.config, model: { dropout: 0.5, width: 1 } },
    classes: { "model.dropout": "training" },
  } as const;
  const source = ({ model }: { readonly model: unknown }): Task => {
    made.push(model);
    return task as Task;
  };
  const store = memoryStore();
  const env = { store, device };
  await orThrow(trainRun(env, "a", task, { until: 4 }));
  const fixed = await resumeRun(env, "a", source, { config: { model: { width: 2 } } })();
  assert.ok(E.isLeft(fixed) && fixed.left.type === "ConfigDiffers");
  await orThrow(resumeRun(env, "a", source, { config: { model: { dropout: 0 } } }));
  assert.deepEqual(made.at(-1), { dropout: 0, width: 1 });
  const { state } = await orThrow(readRun(store, "a"));
  assert.deepEqual([state.config?.model, state.status], [{ dropout: 0, width: 1 }, "completed"]);
});

/** A run that died without a word after a step, past its last snapshot. */
async function killedAfter(device: Device, step: number): Promise<Store> {
  const store = memoryStore();
  const report = (notice: Notice) => {
    if (notice.type === "Step" && notice.step === step) throw new Error("killed");
  };
  const env = { store, device, reporter: { report } };
  await assert.rejects(trainRun(env, "a", tenSteps)(), /killed/);
  return store;
}
