import assert from "node:assert/strict";
import {
  type Device,
  isTrainingFact,
  memoryStore,
  mergeConfig,
  orThrow,
  readRun,
  type RunEvent,
  type Store,
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
      const whole = memoryStore();
      await trained(whole, device, recipe);
      const broken = memoryStore();
      for (const n of DEATHS) {
        const dying = dyingStore(broken, { operation: "append", n, effect: "part" });
        await trainRun({ store: dying.store, device }, "run", recipe.task, tiny(recipe))();
        assert.ok(dying.dead());
        await trained(memoryStore(), device, recipe, 1); // a decoy
      }
      await trained(broken, device, recipe, 7);
      await trained(broken, device, recipe);
      const events = await factsOf(whole);
      assert.equal(events.at(-1)?.type, "RunCompleted");
      assert.deepEqual(await factsOf(broken), events);
    });
  }
}

async function trained(store: Store, device: Device, recipe: Recipe, until = Infinity) {
  const options = { ...tiny(recipe), ...(Number.isFinite(until) && { until }) };
  await orThrow(trainRun({ store, device }, "run", recipe.task, options));
}

function tiny({ name, config }: Recipe) {
  const settings = tinyRecipes[name];
  assert.ok(settings, `tests/support/tiny_recipes.ts has no settings of ${name}`);
  return { config: mergeConfig(config, settings) };
}

async function factsOf(store: Store): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(readRun(store, "run"));
  return events.map(({ event }) => event).filter(isTrainingFact);
}
