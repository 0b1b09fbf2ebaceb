import assert from "node:assert/strict";
import fc from "fast-check";
import {
  anyOf,
  judge,
  keepBest,
  keepEvery,
  keepLast,
  keepSince,
  type KeptSnapshot,
  type Protection,
  type RetentionPolicy,
} from "../../src/core/retention_policy.ts";

/** Snapshots 1 to 6; the later, the worse in training and, where evaluated, the better. */
const six = [1, 2, 3, 4, 5, 6].map((step) =>
  kept(step * 10, { loss: step, ...(step % 2 === 0 && { evaluation: 10 - step }) })
);
const nothing: RetentionPolicy = () => new Map();
const allReadable: Protection = { readable: () => true };

Deno.test("keepLast() keeps the newest, in whatever order they come", () => {
  assert.deepEqual(stepsOf(keepLast(2), six), [50, 60]);
  assert.deepEqual(stepsOf(keepLast(2), six.toReversed()), [50, 60]);
  assert.deepEqual(stepsOf(keepLast(9), six), [10, 20, 30, 40, 50, 60]);
  assert.deepEqual(stepsOf(keepLast(1), []), []);
});

Deno.test("keepBest() keeps the lowest by the metric, evaluation before training loss", () => {
  assert.deepEqual(stepsOf(keepBest(2), six), [40, 60]);
  assert.deepEqual(stepsOf(keepBest(2, "evaluation"), six), [40, 60]);
  assert.deepEqual(stepsOf(keepBest(2, "loss"), six), [10, 20]);
  const unevaluated = six.map(({ evaluation: _, ...one }) => one);
  assert.deepEqual(stepsOf(keepBest(2), unevaluated), [10, 20]);
  assert.deepEqual(stepsOf(keepBest(2, "evaluation"), unevaluated), []);
});

Deno.test("keepBest() takes no NaN, and the earlier of equals", () => {
  const snapshots = [
    kept(1, { loss: NaN }),
    kept(2, { loss: Infinity }),
    kept(3, { loss: 0 }),
    kept(4, { loss: -0 }),
    kept(5),
    kept(6, { loss: -Infinity }),
    kept(7, { loss: Infinity }),
  ];
  const best = (count: number) => stepsOf(keepBest(count, "loss"), snapshots.toReversed());
  assert.deepEqual([1, 2, 3, 4, 9].map(best), [
    [6],
    [3, 6],
    [3, 4, 6],
    [2, 3, 4, 6],
    [2, 3, 4, 6, 7],
  ]);
  const onlyNaN = [kept(1, { evaluation: NaN, loss: 2 }), kept(2, { evaluation: NaN, loss: 1 })];
  assert.deepEqual(stepsOf(keepBest(1), onlyNaN), [2], "an evaluation of NaN is none");
});

Deno.test("keepEvery() keeps the multiples", () => {
  assert.deepEqual(stepsOf(keepEvery(20), six), [20, 40, 60]);
  assert.deepEqual(stepsOf(keepEvery(7), six), []);
  assert.deepEqual(stepsOf(keepEvery(1), six), [10, 20, 30, 40, 50, 60]);
});

Deno.test("keepSince() keeps what was recorded at the moment or later, even in the future", () => {
  const at = (step: number, recordedAt: string) => ({ ...kept(step), recordedAt });
  const snapshots = [
    at(1, "2026-01-31T23:59:59.999Z"),
    at(2, "2026-02-01T00:00:00.000Z"),
    at(3, "2026-02-01T00:00:00.001Z"),
    at(4, "2031-01-01T00:00:00.000Z"),
    at(5, "1999-12-31T23:59:59.999Z"), // a clock that jumped back
  ];
  assert.deepEqual(stepsOf(keepSince("2026-02-01T00:00:00.000Z"), snapshots), [2, 3, 4]);
});

Deno.test("the rules name themselves as the reason", () => {
  const policy = anyOf(
    keepLast(1),
    keepBest(2),
    keepBest(1, "loss"),
    keepEvery(60),
    keepSince("2026-01-01T00:11:00.000Z"),
  );
  assert.deepEqual(policy(six).get(six[5]!.snapshot), [
    "last 1",
    "best 2 by evaluation",
    "every 60 steps",
    "since 2026-01-01T00:11:00.000Z",
  ]);
  assert.deepEqual(policy(six).get(six[0]!.snapshot), ["best 1 by loss"]);
});

Deno.test("a rule that makes no sense is refused", () => {
  for (const rule of [keepLast, keepBest, keepEvery]) {
    for (const count of [0, -1, 1.5, NaN, Infinity]) {
      assert.throws(() => rule(count), RangeError, `${rule.name}(${count})`);
    }
  }
});

Deno.test("judge() never prunes the newest that can be read, nor the best", () => {
  assert.deepEqual(judged(six, nothing, allReadable), { 60: ["newest", "best"] });
  const worse = six.map((one) => ({ ...one, evaluation: one.step }));
  assert.deepEqual(judged(worse, nothing, allReadable), { 10: ["best"], 60: ["newest"] });
  const unevaluated = six.map(({ evaluation: _, ...one }) => one);
  assert.deepEqual(judged(unevaluated, nothing, allReadable), { 10: ["best"], 60: ["newest"] });
  const readable = (id: string) => id === six[2]!.snapshot || id === six[1]!.snapshot;
  assert.deepEqual(judged(worse, nothing, { readable }), { 10: ["best"], 30: ["newest"] });
  assert.deepEqual(judged([kept(1), kept(2)], nothing, { readable: () => false }), {});
});

Deno.test("judge() never prunes what is needed, and says for what", () => {
  const needed = new Map([[six[1]!.snapshot, ['parent of "fork"']]]);
  assert.deepEqual(judged(six, keepEvery(20), { ...allReadable, needed }), {
    20: ['parent of "fork"', "every 20 steps"],
    40: ["every 20 steps"],
    60: ["newest", "best", "every 20 steps"],
  });
});

Deno.test("judge() gives a verdict on each snapshot, in the order given", () => {
  const shuffled = [six[3]!, six[0]!, six[5]!];
  const verdicts = judge(shuffled, keepLast(2), allReadable);
  assert.deepEqual(verdicts.map(({ snapshot }) => snapshot), shuffled);
  assert.deepEqual(verdicts.map(({ reasons }) => reasons), [
    ["last 2"],
    [],
    ["newest", "best", "last 2"],
  ]);
});

const number = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(NaN, Infinity, -Infinity, -0),
);
const snapshots = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { maxLength: 12 }).chain(
  (steps) =>
    fc.tuple(
      ...steps.map((step) =>
        fc.record(
          { loss: number, evaluation: number, minutes: fc.integer({ min: 0, max: 59 }) },
          { requiredKeys: ["minutes"] },
        ).map(({ minutes, ...losses }) => kept(step, losses, minutes))
      ),
    ),
);
const count = fc.integer({ min: 1, max: 8 });
const rule: fc.Arbitrary<RetentionPolicy> = fc.oneof(
  count.map(keepLast),
  fc.tuple(count, fc.constantFrom("evaluation" as const, "loss" as const, undefined)).map((
    [count, metric],
  ) => keepBest(count, metric)),
  count.map(keepEvery),
  fc.integer({ min: 0, max: 59 }).map((minutes) => keepSince(timeAt(minutes))),
);
const policies = fc.array(rule, { maxLength: 3 }).map((rules) => anyOf(...rules));
const protections: fc.Arbitrary<Protection> = fc.record({
  readable: fc.func(fc.boolean()),
  needed: fc.subarray([1, 2, 3, 5, 8, 13, 21, 34]).map((steps) =>
    new Map(steps.map((step) => [idOf(step), ["needed"]]))
  ),
});

Deno.test("whatever the policy, what is protected stays", () => {
  fc.assert(fc.property(snapshots, policies, protections, (snapshots, policy, protection) => {
    const stays = keptIds(snapshots, policy, protection);
    const readable = snapshots.filter(({ snapshot }) => protection.readable(snapshot));
    const newest = Math.max(...readable.map(({ step }) => step));
    if (readable.length > 0) assert.ok(stays.has(idOf(newest)), "the newest");
    const metric = snapshots.some(({ evaluation }) => evaluation! <= Infinity)
      ? "evaluation"
      : "loss";
    const lowest = Math.min(
      ...snapshots.flatMap(({ [metric]: value }) => value! <= Infinity ? [value!] : []),
    );
    const best = snapshots.filter(({ [metric]: value }) => value === lowest);
    const first = Math.min(...best.map(({ step }) => step));
    if (best.length > 0) assert.ok(stays.has(idOf(first)), "the best");
    for (const { snapshot } of snapshots) {
      if (protection.needed!.has(snapshot)) assert.ok(stays.has(snapshot), "the needed");
    }
  }));
});

Deno.test("anyOf() keeps exactly what one of its policies keeps", () => {
  fc.assert(fc.property(snapshots, rule, rule, (snapshots, one, other) => {
    const expected = new Set([...one(snapshots).keys(), ...other(snapshots).keys()]);
    assert.deepEqual(new Set(anyOf(one, other)(snapshots).keys()), expected);
    assert.deepEqual(anyOf()(snapshots), new Map());
  }));
});

Deno.test("a more generous rule keeps all that the rule keeps", () => {
  const pairs = fc.tuple(count, count, fc.nat(30), fc.nat(29)).map(([least, more, early, later]) =>
    [
      [keepLast(least), keepLast(least + more)],
      [keepBest(least), keepBest(least + more)],
      [keepEvery(least * more), keepEvery(least)],
      [keepSince(timeAt(early + later)), keepSince(timeAt(early))],
    ] as const
  );
  fc.assert(fc.property(snapshots, pairs, (snapshots, pairs) => {
    for (const [strict, generous] of pairs) {
      const stays = new Set(generous(snapshots).keys());
      for (const id of strict(snapshots).keys()) assert.ok(stays.has(id));
    }
  }));
});

Deno.test("the order of the snapshots changes nothing", () => {
  const cases = snapshots.chain((snapshots) =>
    fc.tuple(
      fc.constant(snapshots),
      fc.shuffledSubarray(snapshots, { minLength: snapshots.length }),
    )
  );
  fc.assert(
    fc.property(cases, policies, protections, ([snapshots, shuffled], policy, protection) => {
      const stays = keptIds(snapshots, policy, protection);
      assert.deepEqual([...keptIds(shuffled, policy, protection)].sort(), [...stays].sort());
    }),
  );
});

Deno.test("pruning a second time removes nothing more", () => {
  fc.assert(fc.property(snapshots, policies, protections, (snapshots, policy, protection) => {
    const stays = keptIds(snapshots, policy, protection);
    const left = snapshots.filter(({ snapshot }) => stays.has(snapshot));
    assert.deepEqual(keptIds(left, policy, protection), stays);
  }));
});

function keptIds(
  snapshots: readonly KeptSnapshot[],
  policy: RetentionPolicy,
  protection: Protection,
): ReadonlySet<string> {
  const verdicts = judge(snapshots, policy, protection);
  return new Set(
    verdicts.flatMap(({ snapshot, reasons }) => reasons.length > 0 ? [snapshot.snapshot] : []),
  );
}

/** The reasons by step, of those that stay. */
function judged(
  snapshots: readonly KeptSnapshot[],
  policy: RetentionPolicy,
  protection: Protection,
): Readonly<Record<number, readonly string[]>> {
  const verdicts = judge(snapshots, policy, protection);
  return Object.fromEntries(
    verdicts.flatMap(({ snapshot, reasons }) =>
      reasons.length > 0 ? [[snapshot.step, reasons]] : []
    ),
  );
}

function stepsOf(
  policy: RetentionPolicy,
  snapshots: readonly KeptSnapshot[],
): readonly number[] {
  const wanted = policy(snapshots);
  return snapshots.flatMap(({ step, snapshot }) => wanted.has(snapshot) ? [step] : [])
    .toSorted((a, b) => a - b);
}

function kept(
  step: number,
  losses: Pick<KeptSnapshot, "loss" | "evaluation"> = {},
  minutes = step,
): KeptSnapshot {
  return { step, snapshot: idOf(step), recordedAt: timeAt(minutes), ...losses };
}

function idOf(step: number): string {
  return String(step).padStart(64, "0");
}

function timeAt(minutes: number): string {
  return new Date(Date.UTC(2026, 0, 1, 0, minutes)).toISOString();
}
