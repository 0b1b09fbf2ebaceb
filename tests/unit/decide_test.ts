import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import type { RunCommand } from "../../src/core/command.ts";
import { decide, type DecideError } from "../../src/core/decide.ts";
import type { Environment } from "../../src/core/environment.ts";
import type { RunEvent, RunStarted, StepTaken } from "../../src/core/event.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import { historyFlaw } from "../../src/core/history_flaw.ts";
import type { RunState, RunStatus } from "../../src/core/run_state.ts";
import { goldenEvents } from "../golden/golden_run.ts";

/** Plan: 4 steps on "cpu". */
const started = goldenEvents[0] as RunStarted;
const { environment } = started.data;
const running = evolve(initialState, started);

Deno.test("decide() grants each command in its statuses and in no other", () => {
  const commands: readonly (readonly [RunCommand, readonly RunStatus[]])[] = [
    [{ type: "StartRun", data: started.data }, ["absent"]],
    [{ type: "RecordStep", data: step(5) }, ["running"]],
    [{ type: "RecordEvaluation", data: { step: 4, loss: 1, samples: 2 } }, ["running"]],
    [{ type: "RecordSnapshot", data: snapshot(4) }, ["running"]],
    [{ type: "RecordSnapshotFailure", data: failure(4) }, ["running"]],
    [{ type: "PruneSnapshots", data: { snapshots: [] } }, [
      "running",
      "paused",
      "failed",
      "completed",
    ]],
    [{ type: "PauseRun", data: { reason: "signal" } }, ["running"]],
    [resume(environment), ["running", "paused", "failed"]],
    [{ type: "CompleteRun" }, ["running"]],
    [{ type: "FailRun", data: { message: "no" } }, ["running"]],
  ];
  for (const [command, expected] of commands) {
    for (const status of ["absent", "running", "paused", "failed", "completed"] as const) {
      const decision = decide(command, { ...running, step: 4, status });
      if (expected.includes(status)) {
        assert.ok(E.isRight(decision), `${command.type} in ${status}`);
      } else {
        const error = { type: "WrongStatus", command: command.type, expected, actual: status };
        assert.deepEqual(decision, E.left(error));
      }
    }
  }
});

Deno.test("decide() starts a run with what it was given", () => {
  assert.deepEqual(granted({ type: "StartRun", data: started.data }, initialState), [started]);
});

Deno.test("decide() records a step only right after the one before", () => {
  const state = { ...running, step: 2 };
  const data = step(3);
  assert.deepEqual(granted({ type: "RecordStep", data }, state), [{ type: "StepTaken", data }]);
  for (const actual of [0, 1, 2, 4, 3.5, NaN]) {
    assert.deepEqual(refused({ type: "RecordStep", data: step(actual) }, state), {
      type: "WrongStep",
      command: "RecordStep",
      expected: 3,
      actual,
    });
  }
});

Deno.test("decide() follows a step with each epoch that it completed, in order", () => {
  const state = { ...running, cursor: { epoch: 5, index: 3 } };
  const ends = (epoch: number) =>
    granted({ type: "RecordStep", data: { ...step(1), epoch } }, state).slice(1);
  assert.deepEqual(ends(5), []);
  assert.deepEqual(ends(6), [{ type: "EpochCompleted", data: { step: 1, epoch: 5 } }]);
  assert.deepEqual(
    ends(8),
    [5, 6, 7].map((epoch) => ({ type: "EpochCompleted", data: { step: 1, epoch } })),
  );
});

Deno.test("RecordStep is a skipped step where its gradients are not finite at its loss scale", () => {
  const typeOf = (changes: Partial<StepTaken["data"]>) =>
    granted({ type: "RecordStep", data: { ...step(1), ...changes } }, running)[0]!.type;
  for (const gradNorm of [NaN, Infinity, -Infinity]) {
    assert.equal(typeOf({ gradNorm, lossScale: 2 }), "StepSkipped");
    assert.equal(typeOf({ gradNorm }), "StepTaken");
  }
  assert.equal(typeOf({ gradNorm: 3e38, lossScale: 2 }), "StepTaken");
  assert.equal(typeOf({ loss: NaN, lossScale: 2 }), "StepTaken");
});

Deno.test("decide() records an evaluation or a snapshot of the step that the run is at only", () => {
  const state = { ...running, step: 2 };
  const evaluation = { step: 2, loss: NaN, samples: 2 };
  assert.deepEqual(
    granted({ type: "RecordEvaluation", data: evaluation }, state),
    [{ type: "EvaluationTaken", data: evaluation }],
  );
  assert.deepEqual(
    granted({ type: "RecordSnapshot", data: snapshot(2) }, state),
    [{ type: "SnapshotTaken", data: snapshot(2) }],
  );
  for (const actual of [1, 3]) {
    assert.deepEqual(
      refused({ type: "RecordEvaluation", data: { ...evaluation, step: actual } }, state),
      { type: "WrongStep", command: "RecordEvaluation", expected: 2, actual },
    );
    assert.deepEqual(
      refused({ type: "RecordSnapshot", data: snapshot(actual) }, state),
      { type: "WrongStep", command: "RecordSnapshot", expected: 2, actual },
    );
  }
});

Deno.test("decide() records the samples of an evaluation of the step that the run is at", () => {
  const evaluated = evolve({ ...running, step: 2 }, {
    type: "EvaluationTaken",
    data: { step: 2, loss: 1, samples: 1 },
  });
  const data = { step: 2, samples: [] };
  const command = { type: "RecordSamples", data } as const;
  assert.deepEqual(granted(command, evaluated), [{ type: "SamplesTaken", data }]);
  const unevaluated = { ...running, step: 2 };
  const refusal = { type: "WrongStep", command: "RecordSamples" };
  assert.deepEqual(refused(command, unevaluated), { ...refusal, expected: 0, actual: 2 });
  const later = { ...evaluated, step: 3 };
  assert.deepEqual(refused(command, later), { ...refusal, expected: 3, actual: 2 });
  const other = { ...command, data: { ...data, step: 3 } };
  assert.deepEqual(refused(other, later), { ...refusal, expected: 2, actual: 3 });
});

Deno.test("decide() takes one snapshot of a step, and another of the next", () => {
  const first: RunEvent = { type: "SnapshotTaken", data: snapshot(0) };
  const state = [first].reduce(evolve, running);
  assert.deepEqual(granted({ type: "RecordSnapshot", data: snapshot(0) }, state), []);
  const next = { ...state, step: 1 };
  assert.deepEqual(
    granted({ type: "RecordSnapshot", data: snapshot(1) }, next),
    [{ type: "SnapshotTaken", data: snapshot(1) }],
  );
});

Deno.test("decide() records a snapshot's failure at the step that the run is at only", () => {
  const state = { ...running, step: 2 };
  assert.deepEqual(
    granted({ type: "RecordSnapshotFailure", data: failure(2) }, state),
    [{ type: "SnapshotFailed", data: failure(2) }],
  );
  for (const actual of [1, 3]) {
    assert.deepEqual(
      refused({ type: "RecordSnapshotFailure", data: failure(actual) }, state),
      { type: "WrongStep", command: "RecordSnapshotFailure", expected: 2, actual },
    );
  }
});

Deno.test("decide() prunes snapshots that are kept, in the order in which they were taken", () => {
  const taken = [0, 1, 2].map((step): RunEvent => ({
    type: "SnapshotTaken",
    data: snapshot(step),
  }));
  const state = taken.reduce(evolve, running);
  const prune = (...steps: readonly number[]): RunCommand => ({
    type: "PruneSnapshots",
    data: { snapshots: steps.map((step) => snapshot(step).snapshot) },
  });
  const events = granted(prune(2, 7, 0, 2), state);
  assert.deepEqual(
    events,
    [0, 2].map((step) => ({
      type: "SnapshotPruned",
      data: { step, snapshot: snapshot(step).snapshot },
    })),
  );
  const pruned = events.reduce(evolve, state);
  assert.deepEqual(pruned.snapshots.map(({ step }) => step), [1]);
  assert.deepEqual(granted(prune(2, 7, 0, 2), pruned), [], "a second time");
});

Deno.test("decide() pauses and fails a run at the step it is at", () => {
  const state = { ...running, step: 3 };
  assert.deepEqual(
    granted({ type: "PauseRun", data: { reason: "until" } }, state),
    [{ type: "RunPaused", data: { step: 3, reason: "until" } }],
  );
  assert.deepEqual(
    granted({ type: "FailRun", data: { message: "disk full" } }, state),
    [{ type: "RunFailed", data: { step: 3, message: "disk full" } }],
  );
});

Deno.test("decide() completes a run at the last step of its plan only", () => {
  assert.deepEqual(
    granted({ type: "CompleteRun" }, { ...running, step: 4 }),
    [{ type: "RunCompleted", data: { step: 4 } }],
  );
  for (const actual of [0, 3, 5]) {
    assert.deepEqual(
      refused({ type: "CompleteRun" }, { ...running, step: actual }),
      { type: "WrongStep", command: "CompleteRun", expected: 4, actual },
    );
  }
});

Deno.test("decide() resumes in the same environment, without a word where the run just died", () => {
  for (const acceptEnvironment of [false, true]) {
    const command = resume({ ...environment }, acceptEnvironment);
    assert.deepEqual(granted(command, { ...running, step: 2 }), []);
    for (const status of ["paused", "failed"] as const) {
      assert.deepEqual(
        granted(command, { ...running, step: 2, status }),
        [{ type: "RunResumed", data: { step: 2 } }],
      );
    }
  }
});

Deno.test("decide() refuses another environment, and says every member that changed", () => {
  const other = { ...environment, tfjs: "4.23.0", backend: "wasm", adapter: "SIMD" };
  const changes = [
    { member: "adapter", recorded: "JavaScript", current: "SIMD" },
    { member: "backend", recorded: "cpu", current: "wasm" },
    { member: "tfjs", recorded: "4.22.0", current: "4.23.0" },
  ];
  for (const status of ["running", "paused", "failed"] as const) {
    const state = { ...running, step: 2, status };
    assert.deepEqual(refused(resume(other), state), { type: "EnvironmentChanged", changes });
  }
});

Deno.test("decide() takes any one member of the environment for another environment", () => {
  for (const member of Object.keys(environment) as (keyof Environment)[]) {
    const other = { ...environment, [member]: "another" };
    assert.deepEqual(refused(resume(other), running), {
      type: "EnvironmentChanged",
      changes: [{ member, recorded: environment[member], current: "another" }],
    });
  }
});

Deno.test("decide() records an accepted environment, whatever the status", () => {
  const other = { ...environment, platform: "aarch64-darwin" };
  for (const status of ["running", "paused", "failed"] as const) {
    assert.deepEqual(
      granted(resume(other, true), { ...running, step: 2, status }),
      [{ type: "RunResumed", data: { step: 2, environment: other } }],
    );
  }
});

Deno.test("decide() compares with the environment that the run moved to, not the first one", () => {
  const other = { ...environment, backend: "wasm" };
  const moved = granted(resume(other, true), running).reduce(evolve, running);
  assert.deepEqual(granted(resume(other), moved), []);
  assert.equal(refused(resume(environment), moved).type, "EnvironmentChanged");
});

Deno.test("whatever decide() grants, the history that it makes has no flaw", () => {
  const count = fc.integer({ min: 0, max: 6 });
  const command: fc.Arbitrary<RunCommand> = fc.oneof(
    { arbitrary: fc.constant<RunCommand>({ type: "StartRun", data: started.data }), weight: 2 },
    {
      arbitrary: fc.tuple(count, count).map(([at, epoch]): RunCommand => ({
        type: "RecordStep",
        data: { ...step(at), epoch },
      })),
      weight: 6,
    },
    count.map((at): RunCommand => ({
      type: "RecordEvaluation",
      data: { step: at, loss: 1, samples: 1 },
    })),
    count.map((at): RunCommand => ({ type: "RecordSnapshot", data: snapshot(at) })),
    count.map((at): RunCommand => ({ type: "RecordSnapshotFailure", data: failure(at) })),
    fc.array(count, { maxLength: 3 }).map((steps): RunCommand => ({
      type: "PruneSnapshots",
      data: { snapshots: steps.map((step) => snapshot(step).snapshot) },
    })),
    fc.constantFrom<RunCommand>(
      { type: "PauseRun", data: { reason: "signal" } },
      resume(environment),
      resume({ ...environment, backend: "wasm" }, true),
      { type: "CompleteRun" },
      { type: "FailRun", data: { message: "no" } },
    ),
  );
  fc.assert(fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
    let state = initialState;
    const history: RunEvent[] = [];
    for (const command of commands) {
      const decision = decide(deepFreeze(command), deepFreeze(state));
      if (E.isLeft(decision)) continue;
      history.push(...decision.right);
      state = decision.right.reduce(evolve, state);
    }
    assert.equal(historyFlaw(history), undefined);
    assert.equal(new Set(state.snapshots.map(({ step }) => step)).size, state.snapshots.length);
  }));
});

function granted(command: RunCommand, state: RunState): readonly RunEvent[] {
  const decision = decide(command, state);
  if (E.isLeft(decision)) assert.fail(JSON.stringify(decision.left));
  return decision.right;
}

function refused(command: RunCommand, state: RunState): DecideError {
  const decision = decide(command, state);
  if (E.isRight(decision)) assert.fail(JSON.stringify(decision.right));
  return decision.left;
}

function resume(environment: Environment, acceptEnvironment = false): RunCommand {
  return { type: "ResumeRun", data: { environment, acceptEnvironment } };
}

function step(step: number): StepTaken["data"] {
  const batch = "b".repeat(64);
  return { step, epoch: 0, index: 0, batch, loss: 1, gradNorm: 1, learningRate: 1 };
}

function snapshot(step: number) {
  const digest = String(step).repeat(64);
  return { step, snapshot: digest, state: digest, reason: "scheduled" } as const;
}

function failure(step: number) {
  return { step, reason: "scheduled", message: "no space" } as const;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
