import assert from "node:assert/strict";
import { keepLast, orThrow, pruneRun, readRun, replayRun, trainRun } from "foldlog";
import { backendTest } from "../support/backends.ts";
import { keptBy, lossy, tenSteps, trained } from "../support/ten_steps.ts";

backendTest(
  "cpu",
  "a snapshot that was pruned and taken again is compared once, and the run goes on",
  async (device) => {
    const store = lossy(await trained(device));
    const env = { store, device };
    await orThrow(pruneRun(store, "a", keepLast(1)));
    await orThrow(trainRun(env, "a", tenSteps, { at: 4, until: 4 })); // takes that of step 4 again
    await orThrow(trainRun(env, "a", tenSteps, { until: 5 }));
    assert.deepEqual((await orThrow(replayRun(env, "a", tenSteps))).problems, []);
    for (const id of (await keptBy(store)).values()) store.lose(id); // all is recomputed
    await orThrow(trainRun(env, "a", tenSteps));
    assert.equal((await orThrow(readRun(store, "a"))).state.status, "completed");
  },
);
