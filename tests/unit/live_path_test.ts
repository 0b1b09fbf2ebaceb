import assert from "node:assert/strict";
import fc from "fast-check";
import {
  abandonedBranches,
  livePath,
  type PlacedEvent,
  positionAfterStep,
  type RunEvent,
} from "foldlog";
import { started, stepTaken } from "../../src/testing/sample_events.ts";

Deno.test("the live path of a run that never went back is all of its log", () => {
  const events = placed([started, stepTaken(1), stepTaken(2)]);
  assert.deepEqual(livePath(events), events);
  assert.deepEqual(livePath([]), []);
});

Deno.test("the live path leaves out what a rewind went back over, and the rewind", () => {
  const events = placed([started, stepTaken(1), stepTaken(2), rewound(1, 2), stepTaken(2)]);
  assert.deepEqual(positions(livePath(events)), [0, 1, 4]);
});

Deno.test("a rewind over a rewind goes back on the path that was live then", () => {
  const events = placed([
    started,
    stepTaken(1),
    stepTaken(2),
    rewound(1, 2), // 3
    stepTaken(2),
    stepTaken(3),
    rewound(2, 5), // 6
    stepTaken(3),
    rewound(0, 1), // 8
    stepTaken(1),
  ]);
  const live = [8, 9, 10].map((count) => positions(livePath(events.slice(0, count))));
  assert.deepEqual(live, [[0, 1, 4, 7], [0], [0, 9]]);
});

Deno.test("a rewind to before the events at hand stays on the path: it tells what was there", () => {
  const events = placed([started, stepTaken(1), stepTaken(2), rewound(1, 2), stepTaken(2)]);
  assert.deepEqual(positions(livePath(events.slice(2), 2)), [4]); // back to the first of them
  assert.deepEqual(positions(livePath(events.slice(3), 3)), [3, 4]);
});

Deno.test("livePath() is what a list is from which rewinds take the end", () => {
  const moves = fc.array(fc.oneof(fc.constant("step" as const), fc.nat(20)), { maxLength: 40 });
  fc.assert(fc.property(moves, (moves) => {
    let events: readonly PlacedEvent[] = placed([started]);
    let path = [0];
    for (const move of moves) {
      const position = events.length;
      if (move === "step") path = [...path, position];
      else path = path.slice(0, 1 + move % path.length);
      const event = move === "step" ? stepTaken(1) : rewound(0, path.at(-1)! + 1);
      events = [...events, { position, event }];
    }
    assert.deepEqual(positions(livePath(events)), path);
    const branches = abandonedBranches(events);
    assert.equal(branches.length, moves.filter((move) => move !== "step").length);
    for (const { path, shared, end } of branches) {
      assert.deepEqual(path, livePath(events.slice(0, end)));
      const next = livePath(events.slice(0, end + 1));
      assert.deepEqual(path.slice(0, shared), next);
    }
  }));
});

Deno.test("an abandoned branch is the path that was live, and says from where and until where", () => {
  const events = placed([started, stepTaken(1), stepTaken(2), rewound(1, 2), stepTaken(2)]);
  const [branch, ...more] = abandonedBranches(events);
  assert.deepEqual([branch?.from, branch?.end, branch?.shared, more], [1, 3, 2, []]);
  assert.deepEqual(positions(branch!.path), [0, 1, 2]);
});

Deno.test("the position after a step follows what was computed and stored of it, and no mark", () => {
  const snapshot = "a".repeat(64);
  const taken = { step: 1, snapshot, state: snapshot, reason: "scheduled" } as const;
  const of: readonly RunEvent[] = [
    { type: "EpochCompleted", data: { step: 1, epoch: 0 } },
    { type: "EvaluationTaken", data: { step: 1, loss: 1, samples: 1 } },
    { type: "SamplesTaken", data: { step: 1, samples: [] } },
    { type: "SnapshotTaken", data: taken },
    { type: "SnapshotFailed", data: { step: 1, reason: "scheduled", message: "full" } },
  ];
  const marks: readonly RunEvent[] = [
    { type: "RunPaused", data: { step: 1, reason: "until" } },
    { type: "RunResumed", data: { step: 1 } },
    { type: "ConfigChanged", data: { step: 1, changes: { seed: 2 }, class: "training" } },
    { type: "CodeChanged", data: { step: 1, code: snapshot } },
    { type: "RunFailed", data: { step: 1, message: "no" } },
    { type: "SnapshotPruned", data: { step: 1, snapshot } },
    {
      type: "SnapshotMaterialized",
      data: { step: 1, snapshot, state: snapshot, position: 2, epoch: 0, index: 1 },
    },
    { type: "RunCompleted", data: { step: 1 } },
  ];
  for (const event of of) {
    assert.equal(positionAfterStep(placed([started, stepTaken(1), event]), 1), 3, event.type);
  }
  for (const event of marks) {
    assert.equal(positionAfterStep(placed([started, stepTaken(1), event]), 1), 2, event.type);
  }
  const path = placed([started, stepTaken(1)]);
  assert.deepEqual([0, 1, 2].map((step) => positionAfterStep(path, step)), [1, 2, undefined]);
  const fork = { ...started, data: { ...started.data, origin: { step: 5 } } } as RunEvent;
  assert.deepEqual([0, 5].map((step) => positionAfterStep(placed([fork]), step)), [undefined, 1]);
});

function placed(events: readonly RunEvent[]): readonly PlacedEvent[] {
  return events.map((event, position) => ({ position, event }));
}

function positions(path: readonly PlacedEvent[]): readonly number[] {
  return path.map(({ position }) => position);
}

function rewound(step: number, position: number): RunEvent {
  const facts = { cursor: { epoch: 0, index: 0 } };
  return { type: "RunRewound", data: { step, position, history: "0".repeat(64), facts } };
}
