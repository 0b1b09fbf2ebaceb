import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { decide, evolve, initialState, type RunEvent, type RunState } from "foldlog";
import { sha256 } from "foldlog/codec";
import { codeOfRun, factsOf } from "../../src/core/run_state.ts";
import { started as sample } from "../../src/testing/sample_events.ts";

const [one, two, three] = ["one", "two", "three"].map((text) => sha256(text)) as [
  string,
  string,
  string,
];

assert.ok(sample.type === "RunStarted");
const started: RunEvent = { ...sample, data: { ...sample.data, code: one } };

Deno.test("evolve() knows the code of now and all other code of the log, each once", () => {
  const state = fold([started, changed(two), changed(three), changed(two)]);
  assert.deepEqual([state.code, state.otherCode], [two, [three, one]]);
  assert.deepEqual([...codeOfRun(state)].sort(), [one, two, three].sort());
  assert.deepEqual(fold([started]).otherCode, undefined);
  assert.deepEqual(fold([started, changed(one)]).otherCode, undefined);
  assert.deepEqual(codeOfRun(fold([sample])), []);
});

Deno.test("evolve() goes back to earlier code, and forgets none of an abandoned branch", () => {
  const before = fold([started]);
  const after = fold([changed(two), changed(three)], before);
  const state = evolve(after, {
    type: "RunRewound",
    data: { step: 0, position: 1, history: one, facts: factsOf(before) },
  });
  assert.equal(state.code, one);
  assert.deepEqual([...codeOfRun(state)].sort(), [one, two, three].sort());
  assert.ok(!("otherCode" in factsOf(after)));
});

Deno.test("decide() records other code after the run goes on, and before other settings", () => {
  const environment = fold([started]).environment!;
  const wish = { environment, acceptEnvironment: false, code: two };
  const config = { changes: { "save.every": 7 }, class: "free" } as const;
  const paused = fold([started, { type: "RunPaused", data: { step: 0, reason: "until" } }]);
  const events = decide({ type: "ResumeRun", data: { ...wish, config } }, paused);
  assert.ok(E.isRight(events), JSON.stringify(events));
  assert.deepEqual(events.right.map(({ type }) => type), [
    ...["RunResumed", "CodeChanged", "ConfigChanged"],
  ]);
  const running = decide({ type: "ResumeRun", data: wish }, fold([started]));
  assert.deepEqual(running, E.right([changed(two)]));
});

function changed(code: string): RunEvent {
  return { type: "CodeChanged", data: { step: 0, code } };
}

function fold(events: readonly RunEvent[], state: RunState = initialState): RunState {
  return events.reduce(evolve, state);
}
