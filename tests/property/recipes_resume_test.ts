import assert from "node:assert/strict";
import {
  type Device,
  isTrainingFact,
  memoryStore,
  mergeConfig,
  orThrow,
  readRun,
  type RunConfig,
  type RunEvent,
  type Store,
  type Task,
  trainRun,
} from "foldlog";
import { recipes } from "../../src/recipes/mod.ts";
import type { Recipe } from "../../src/recipes/recipe.ts";
import { backendTest } from "../support/backends.ts";
import { dyingStore } from "../support/dying_store.ts";
import { tinyRecipes } from "../support/tiny_recipes.ts";

/** The appends at which the process dies: in the middle of the steps, and where a snapshot is named. */
const DEATHS = [4, 7];

for (const recipe of recipes) {
  for (const backend of ["wasm", "webgpu"] as const) {
    const name = `a run of ${recipe.name} that dies and is paused has the bits of one left alone`;
    backendTest(backend, name, async (device) => {
      const config = tiny(recipe);
      const makeTask = async () => sampledOn(backend, await recipe.task(config));
      const task = await makeTask();
      const whole = memoryStore();
      const { sample } = await trained(whole, device, task, config);
      const broken = memoryStore();
      for (const n of DEATHS) {
        const dying = dyingStore(broken, { operation: "append", n, effect: "part" });
        await trainRun({ store: dying.store, device }, "run", task, { config })();
        assert.ok(dying.dead());
        await trained(memoryStore(), device, task, config, 1); // a decoy
      }
      // With tasks of their own, as another process makes them.
      await trained(broken, device, await makeTask(), config, 7);
      const ended = await trained(broken, device, await makeTask(), config);
      const events = await factsOf(whole);
      assert.equal(events.at(-1)?.type, "RunCompleted");
      assert.deepEqual(await factsOf(broken), events);
      assert.equal(ended.sample, sample);
    });
  }
}

/** The task, without its sample on a software WebGPU, where one takes as long as the test besides. */
function sampledOn(backend: "wasm" | "webgpu", task: Task): Task {
  if (backend === "wasm") return task;
  const { sample: _, ...others } = task;
  return others;
}

async function trained(
  store: Store,
  device: Device,
  task: Task,
  config: RunConfig,
  until = Infinity,
) {
  const options = { config, ...(Number.isFinite(until) && { until }) };
  return await orThrow(trainRun({ store, device }, "run", task, options));
}

function tiny({ name, config }: Recipe): RunConfig {
  const settings = tinyRecipes[name];
  assert.ok(settings, `tests/support/tiny_recipes.ts has no settings of ${name}`);
  return mergeConfig(config, settings);
}

async function factsOf(store: Store): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(readRun(store, "run"));
  return events.map(({ event }) => event).filter(isTrainingFact);
}
