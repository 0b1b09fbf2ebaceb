import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { attempt, describeError, orThrow, readRun, resumeRun, type RunError } from "foldlog";
import { listCheckpoints } from "../../src/app/reading/list_checkpoints.ts";
import { stepAt } from "../../src/app/replay/place_in_run.ts";
import { backendTest } from "../support/backends.ts";
import { lossy, tenSteps, trained } from "../support/ten_steps.ts";

backendTest(
  "cpu",
  "listCheckpoints() has of each kept snapshot when it was recorded, its rate, and whether it is whole",
  async (device) => {
    const store = lossy(await trained(device, { until: 6 }), "damaged");
    const changed = { at: 4, config: { optimizer: { learningRate: 0.05 } } };
    await orThrow(resumeRun({ store, device }, "a", tenSteps, changed));
    const { events, state } = await orThrow(readRun(store, "a"));
    store.lose(state.snapshots.find(({ step }) => step === 8)!.snapshot);
    const { checkpoints } = await orThrow(listCheckpoints(store, "a"));
    assert.deepEqual(
      checkpoints.map(({ name, learningRate, readable }) => [name, learningRate, readable]),
      [
        ["step-000002", 0.1, true],
        ["step-000004", 0.1, true],
        ["step-000006", 0.05, true],
        ["step-000008", 0.05, false],
        ["step-000010", 0.05, true],
      ],
    );
    for (const { ref, recordedAt } of checkpoints) {
      const { event, recordedAt: time } = events[ref.position]!;
      assert.ok(event.type === "SnapshotTaken" && event.data.step === ref.step);
      assert.equal(recordedAt, time);
    }
    const newest = await orThrow(listCheckpoints(store, "a", { latest: true }));
    assert.deepEqual(newest.checkpoints, checkpoints.slice(-1));
  },
);

backendTest(
  "cpu",
  "a place that is not there is an error with the checkpoints there are, and those nearest",
  async (device) => {
    const recorded = await orThrow(readRun(await trained(device), "a"));
    const all =
      "Its checkpoints are step-000002, step-000004, step-000006, step-000008, step-000010.";
    for (
      const [at, near] of [
        ["step-000900", "step-000010, step-000008"],
        ["bset", "best"],
        ["step-00002", undefined], // it is there
        ["stpe-000004", "step-000004"],
        ["checkpoint-epoch7-step5", "step-000004, step-000006"],
      ] as const
    ) {
      const result = await attemptAt(at);
      if (near === undefined) assert.ok(E.isRight(result));
      else {
        assert.ok(E.isLeft(result));
        const text = describeError(result.left);
        assert.ok(text.includes(`"${at}"`) && text.includes(`Did you mean ${near}`), text);
        assert.ok(text.includes(all), text);
      }
    }

    function attemptAt(at: string) {
      return attempt<RunError, number>(() => Promise.resolve(stepAt(recorded, at)))();
    }
  },
);
