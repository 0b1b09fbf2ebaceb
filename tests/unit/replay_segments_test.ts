import assert from "node:assert/strict";
import {
  chanceOfCatching,
  initialState,
  type ReplaySegment,
  replaySegments,
  type RunState,
  sampleOf,
  segmentsWithin,
  systemDraw,
} from "foldlog";
import { randomFrom } from "../support/random.ts";

Deno.test("segments lead from the initial state by the snapshots to the head, without a gap", () => {
  const segments = replaySegments(headWith([2, 4, 6], 9));
  assert.deepEqual(stepsOf(segments), [[0, 2], [2, 4], [4, 6], [6, 9]]);
  assert.deepEqual(segments.map(({ number }) => number), [1, 2, 3, 4]);
  // The events of a segment end with that of its snapshot; the last have all that there is.
  assert.deepEqual(segments.map(({ end }) => end), [21, 41, 61, 100]);
});

Deno.test("a snapshot of the last step is the end of the last segment, and no start", () => {
  assert.deepEqual(stepsOf(replaySegments(headWith([2, 4], 4))), [[0, 2], [2, 4]]);
  assert.deepEqual(replaySegments(headWith([4], 4)).map(({ end }) => end), [100]);
});

Deno.test("a run without a snapshot, or without a step, is one segment", () => {
  assert.deepEqual(stepsOf(replaySegments(headWith([], 7))), [[0, 7]]);
  assert.deepEqual(stepsOf(replaySegments(headWith([], 0))), [[0, 0]]);
  assert.deepEqual(stepsOf(segmentsWithin(replaySegments(headWith([], 0)), {})), [[0, 0]]);
});

Deno.test("a fork begins with the state that it was made of", () => {
  const { origin, snapshots, ...head } = headWith([4, 6], 8);
  const fork = {
    ...head,
    snapshots,
    origin: { ...origin, step: 4 } as NonNullable<RunState["origin"]>,
  };
  assert.deepEqual(stepsOf(replaySegments(fork)), [[4, 6], [6, 8]]);
});

Deno.test("a segment goes on beyond a snapshot that cannot be used", () => {
  const segments = replaySegments(headWith([2, 4, 6], 8), new Set([2, 6]));
  assert.deepEqual(stepsOf(segments), [[0, 4], [4, 8]]);
});

Deno.test("two snapshots of one step are one end, which is the later one", () => {
  const head = headWith([2, 4], 6);
  const [first] = head.snapshots;
  const again = { ...head, snapshots: [...head.snapshots, { ...first!, position: 25 }] };
  const segments = replaySegments(again);
  assert.deepEqual(stepsOf(segments), [[0, 2], [2, 4], [4, 6]]);
  assert.equal(segments[0]!.end, 26);
});

Deno.test("from and to take the segments between the starts around them", () => {
  const segments = replaySegments(headWith([2, 4, 6], 8));
  const within = (from?: number, to?: number) =>
    stepsOf(segmentsWithin(segments, {
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
    }));
  assert.deepEqual(within(), [[0, 2], [2, 4], [4, 6], [6, 8]]);
  assert.deepEqual(within(4), [[4, 6], [6, 8]]);
  assert.deepEqual(within(5), [[4, 6], [6, 8]]);
  assert.deepEqual(within(undefined, 4), [[0, 2], [2, 4]]);
  assert.deepEqual(within(undefined, 5), [[0, 2], [2, 4], [4, 6]]);
  assert.deepEqual(within(3, 5), [[2, 4], [4, 6]]);
  assert.deepEqual(within(4, 6), [[4, 6]]);
  // One step alone: the segment that recomputes it.
  assert.deepEqual(within(4, 4), [[2, 4]]);
  assert.deepEqual(within(5, 5), [[4, 6]]);
});

Deno.test("sampleOf() takes as many as asked, each once and in order", () => {
  const random = randomFrom(42);
  const draw = (below: number) => Math.floor(random() * below);
  const items = ["a", "b", "c", "d", "e"];
  for (let count = 0; count <= 7; count++) {
    const taken = sampleOf(items, count, draw);
    assert.equal(taken.length, Math.min(count, 5));
    assert.deepEqual(taken, items.filter((item) => taken.includes(item)));
  }
});

Deno.test("sampleOf() takes each choice for one sequence of draws", () => {
  // All the draws that there are for 2 of 4: 4 first ones, 3 second ones. Each pair comes twice.
  const counts = new Map<string, number>();
  for (let first = 0; first < 4; first++) {
    for (let second = 0; second < 3; second++) {
      const draws = [[4, first], [3, second]] as const;
      let at = 0;
      const taken = sampleOf([0, 1, 2, 3], 2, (below) => {
        const [bound, drawn] = draws[at++]!;
        assert.equal(below, bound);
        return drawn;
      });
      counts.set(taken.join(), (counts.get(taken.join()) ?? 0) + 1);
    }
  }
  assert.deepEqual([...counts.keys()].sort(), ["0,1", "0,2", "0,3", "1,2", "1,3", "2,3"]);
  assert.deepEqual([...new Set(counts.values())], [2]);
});

Deno.test("the chance of catching one forged segment is the share that is looked at", () => {
  assert.deepEqual([chanceOfCatching(1, 4), chanceOfCatching(3, 7), chanceOfCatching(5, 5)], [
    0.25,
    3 / 7,
    1,
  ]);
});

Deno.test("systemDraw() gives every number below its bound, and no other", () => {
  const drawn = new Set(Array.from({ length: 2000 }, () => systemDraw(5)));
  assert.deepEqual([...drawn].sort(), [0, 1, 2, 3, 4]);
  assert.equal(systemDraw(1), 0);
});

/** A run at step `step` whose snapshot of step s is at position 10 s. */
function headWith(snapshots: readonly number[], step: number): RunState {
  const cursor = { epoch: 0, index: 0 };
  return {
    ...initialState,
    status: "paused",
    version: 100,
    step,
    snapshots: snapshots.map((step) => ({
      step,
      position: 10 * step,
      snapshot: `id ${step}`,
      state: `s${step}`,
      reason: "scheduled",
      cursor,
    })),
  };
}

function stepsOf(segments: readonly ReplaySegment[]): readonly (readonly [number, number])[] {
  return segments.map(({ from, to }) => [from, to]);
}
