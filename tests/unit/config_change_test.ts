import assert from "node:assert/strict";
import {
  changedValues,
  configChange,
  defaultConfig,
  mergeConfig,
  type PartialConfig,
  type RunConfig,
  type ScheduleChoice,
  scheduleOf,
  withSettings,
} from "foldlog";

const SCHEDULES = ["cosine", "warmupStableDecay"] as const;

for (const name of SCHEDULES) {
  Deno.test(`another length of the plan leaves a ${name} schedule as long as it was`, () => {
    for (const max of [14, 7]) {
      const change = changeOf(planOf(name), { steps: { max } })!;
      assert.deepEqual(valuesOf(change), { "steps.max": max, "schedule.steps": 10 });
      assert.deepEqual([change.class, change.schedule], ["free", "keep"]);
      const after = withSettings(planOf(name), changedValues(change.changes));
      const steps = Array.from({ length: Math.min(max, 10) }, (_, index) => index + 1);
      assert.deepEqual(steps.map(scheduleOf(after)), steps.map(scheduleOf(planOf(name))));
    }
  });

  Deno.test(`a ${name} schedule is stretched where that is chosen, which changes rates`, () => {
    const change = changeOf(planOf(name), { steps: { max: 20 } }, "stretch")!;
    assert.deepEqual(valuesOf(change), { "steps.max": 20 });
    assert.deepEqual([change.class, change.schedule], ["training", "stretch"]);
    const after = withSettings(planOf(name), changedValues(change.changes));
    assert.notEqual(scheduleOf(after)(9), scheduleOf(planOf(name))(9));
  });

  Deno.test(`a ${name} schedule that was kept is kept again, and can be stretched after all`, () => {
    const kept = mergeConfig(planOf(name), { steps: { max: 14 }, schedule: { steps: 10 } });
    const longer = changeOf(kept, { steps: { max: 20 } })!;
    assert.deepEqual(valuesOf(longer), { "steps.max": 20 });
    assert.equal(longer.class, "free");
    const stretched = changeOf(kept, { steps: { max: 20 } }, "stretch")!;
    assert.deepEqual(valuesOf(stretched), { "steps.max": 20, "schedule.steps": 0 });
    assert.equal(stretched.class, "training");
  });
}

Deno.test("a schedule's own length, where it is asked for, is what is asked for", () => {
  const asked = { steps: { max: 14 }, schedule: { steps: 12 } };
  const change = changeOf(planOf("cosine"), asked)!;
  assert.deepEqual(valuesOf(change), { "schedule.steps": 12, "steps.max": 14 });
  assert.deepEqual([change.class, change.schedule], ["training", undefined]);
});

Deno.test("a schedule whose rates do not depend on its length is not spoken of", () => {
  for (const name of ["constant", "step"] as const) {
    for (const choice of ["keep", "stretch"] as const) {
      const change = changeOf(planOf(name), { steps: { max: 14 } }, choice)!;
      assert.deepEqual(valuesOf(change), { "steps.max": 14 }, name);
      assert.deepEqual([change.class, change.schedule], ["free", undefined]);
    }
  }
});

Deno.test("a schedule that is asked for together with another length keeps the old length", () => {
  const asked = { steps: { max: 14 }, schedule: { name: "cosine" } } as const;
  const change = changeOf(planOf("constant"), asked)!;
  assert.deepEqual(valuesOf(change), {
    "schedule.name": "cosine",
    "schedule.steps": 10,
    "steps.max": 14,
  });
  assert.equal(change.class, "training");
});

Deno.test("what is asked for and is there already is no change", () => {
  assert.equal(changeOf(planOf("cosine"), {}), undefined);
  assert.equal(changeOf(planOf("cosine"), planOf("cosine"), "stretch"), undefined);
});

function planOf(name: RunConfig["schedule"]["name"]): RunConfig {
  return mergeConfig(defaultConfig, {
    steps: { max: 10 },
    schedule: { name, warmupSteps: 2, steps: 0 },
  });
}

function changeOf(config: RunConfig, asked: PartialConfig, choice?: ScheduleChoice) {
  return configChange(config, asked, choice && { choice });
}

function valuesOf({ changes }: NonNullable<ReturnType<typeof changeOf>>) {
  return changedValues(changes);
}
