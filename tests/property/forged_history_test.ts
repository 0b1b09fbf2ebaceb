import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  describeError,
  type Device,
  forkRun,
  isStep,
  materialize,
  orThrow,
  type Problem,
  replayRun,
  type RunEvent,
  type Store,
  trainRun,
  verifyRun,
} from "foldlog";
import { backendTest } from "../support/backends.ts";
import { rewritten } from "../support/forged.ts";
import { eventsOf, keptBy, tenSteps, trained } from "../support/ten_steps.ts";

/** Where a check finds that a history is wrong: the type of the problem, and its step or position. */
type Found = readonly [type: Problem["type"], at: number];

/** What someone makes of a run's events, and how it is found. */
interface Forgery {
  readonly forge: (events: readonly RunEvent[], others: Others) => readonly RunEvent[];
  /** What a check of the integrity finds first where only the log is forged. */
  readonly verify: Found;
  /** What a replay finds first where all snapshots are made anew, of the states that they have. */
  readonly replay: Found;
}

/** What else a forger has at hand. */
interface Others {
  /** The events of a training of the same task from another seed. */
  readonly other: readonly RunEvent[];
}

/** Where the run that `branchedRun` makes has its SnapshotMaterialized and its RunRewound. */
const [MATERIALIZED, REWOUND] = [22, 23];

const FORGERIES: Readonly<Record<string, Forgery>> = {
  "one digit of a loss": {
    forge: (events) => events.map(atStep(3, (data) => ({ ...data, loss: data.loss + 2 ** -20 }))),
    verify: ["SnapshotDiffers", 4],
    replay: ["Diverged", 3],
  },
  "a learning rate": {
    forge: (events) => events.map(atStep(2, (data) => ({ ...data, learningRate: 0.2 }))),
    verify: ["SnapshotDiffers", 2],
    replay: ["Diverged", 2],
  },
  "an order of the data": {
    forge: (events, { other }) =>
      events.map((event) => {
        const same = other.find((one) =>
          isStep(one) && isStep(event) && stepOf(one) === stepOf(event)
        );
        if (!isStep(event) || same === undefined || !isStep(same)) return event;
        const { batch, epoch, index } = same.data;
        return { ...event, data: { ...event.data, batch, epoch, index } };
      }),
    verify: ["SnapshotDiffers", 2],
    replay: ["Diverged", 1],
  },
  "an evaluation": {
    forge: (events) =>
      events.map((event) =>
        event.type === "EvaluationTaken" && event.data.step === 4
          ? { ...event, data: { ...event.data, loss: event.data.loss / 2 } }
          : event
      ),
    verify: ["SnapshotDiffers", 4],
    replay: ["Diverged", 4],
  },
  "the snapshot of another step": {
    forge: (events) => {
      const second = events.find((event) => event.type === "SnapshotTaken")!;
      return events.map((event) =>
        event.type === "SnapshotTaken" && event.data.step === 4
          ? { ...event, data: { ...second.data as typeof event.data, step: 4 } }
          : event
      );
    },
    verify: ["SnapshotDiffers", 4],
    replay: ["Diverged", 4],
  },
  "the snapshot of another run": {
    forge: (events, { other }) =>
      events.map((event) => {
        const same = other.find(({ type, data }) =>
          type === "SnapshotTaken" && data.step === 4 && event.type === type &&
          event.data.step === 4
        );
        return same ?? event;
      }),
    verify: ["SnapshotDiffers", 4],
    replay: ["Diverged", 4],
  },
  "a step that was removed": {
    forge: (events) => events.filter((event) => !(isStep(event) && stepOf(event) === 5)),
    verify: ["HistoryFlawed", 9],
    replay: ["HistoryFlawed", 9],
  },
  "steps that were removed, and all after them renumbered": {
    forge: (events) =>
      events.filter((event) => !(stepOf(event) === 5 || stepOf(event) === 6))
        .map((event) =>
          stepOf(event) > 6 ? withStep(event, stepOf(event) - 2) : planOfEight(event)
        ),
    verify: ["SnapshotDiffers", 2],
    replay: ["Diverged", 5],
  },
  "two steps that were exchanged": {
    forge: (events) => exchanged(events, 3, 4, false),
    verify: ["HistoryFlawed", 4],
    replay: ["HistoryFlawed", 4],
  },
  "what was measured in two steps exchanged": {
    forge: (events) => exchanged(events, 3, 4, true),
    verify: ["SnapshotDiffers", 4],
    replay: ["Diverged", 3],
  },
  "the settings that a run started with": {
    forge: started((data) => ({
      ...data,
      config: { ...data.config, clip: { norm: 0.1, value: 0 } },
    })),
    verify: ["SnapshotDiffers", 2],
    replay: ["Diverged", 2], // what is clipped shows in the step after it
  },
  "the state that a run started with": {
    forge: started((data) => ({ ...data, state: "1".repeat(64) })),
    verify: ["SnapshotDiffers", 2],
    replay: ["Diverged", 0],
  },
  "a change of settings that was removed": {
    forge: (events) => events.filter(({ type }) => type !== "ConfigChanged"),
    verify: ["SnapshotDiffers", 8],
    replay: ["Diverged", 7],
  },
  "a change of settings to other values": {
    forge: (events) =>
      events.map((event) =>
        event.type === "ConfigChanged"
          ? { ...event, data: { ...event.data, changes: { "optimizer.learningRate": 0.3 } } }
          : event
      ),
    verify: ["SnapshotDiffers", 8],
    replay: ["Diverged", 7],
  },
};

/** What a run that went back, and of which a step was materialized, can say in its stead. */
const BRANCHED: Readonly<Record<string, Forgery>> = {
  "facts of a rewind that lie": {
    forge: rewound((data) => ({
      ...data,
      facts: { ...data.facts, bestTrainLoss: { step: 2, loss: 0 } },
    })),
    verify: ["HistoryFlawed", REWOUND],
    replay: ["HistoryFlawed", REWOUND],
  },
  "a rewind to another position": {
    forge: rewound((data) => ({ ...data, position: data.position - 3 })),
    verify: ["HistoryFlawed", REWOUND],
    replay: ["HistoryFlawed", REWOUND],
  },
  "a rewind to another step": {
    forge: rewound((data) => ({ ...data, step: 4 })),
    verify: ["HistoryFlawed", REWOUND],
    replay: ["HistoryFlawed", REWOUND],
  },
  "a rewind that was removed": {
    forge: (events) => events.filter(({ type }) => type !== "RunRewound"),
    verify: ["HistoryFlawed", REWOUND],
    replay: ["HistoryFlawed", REWOUND],
  },
  "a materialized snapshot of another state": {
    forge: (events) => {
      const second = events.find((event) => event.type === "SnapshotTaken")!;
      const { snapshot, state } = second.data as { snapshot: string; state: string };
      return events.map((event) =>
        event.type === "SnapshotMaterialized"
          ? { ...event, data: { ...event.data, snapshot, state } }
          : event
      );
    },
    verify: ["SnapshotDiffers", 3],
    replay: ["Diverged", 3],
  },
  "a materialized snapshot of another place": {
    forge: (events) =>
      events.map((event) =>
        event.type === "SnapshotMaterialized"
          ? { ...event, data: { ...event.data, position: event.data.position - 1 } }
          : event
      ),
    verify: ["HistoryFlawed", MATERIALIZED],
    replay: ["HistoryFlawed", MATERIALIZED],
  },
};

expectFound(FORGERIES, changedRun);
expectFound(BRANCHED, branchedRun);

function expectFound(
  forgeries: Readonly<Record<string, Forgery>>,
  make: (device: Device) => Promise<Store>,
): void {
  for (const [what, { forge, verify, replay }] of Object.entries(forgeries)) {
    backendTest("cpu", `a forged history is found, and where: ${what}`, async (device) => {
      const original = await make(device);
      const other = await trained(device, { config: { seed: 7 } });
      const forged = forge(await eventsOf(original), { other: await eventsOf(other) });
      const stores = [original, other];
      const checked = await orThrow(verifyRun(await rewritten(stores, forged), "a"));
      assert.deepEqual(firstOf(checked.problems), verify, String(checked.problems[0]?.message));
      const store = await rewritten(stores, forged, { anew: true });
      const { problems } = await orThrow(replayRun({ store, device }, "a", tenSteps));
      assert.deepEqual(firstOf(problems), replay, String(problems[0]?.message));
    });
  }
}

backendTest("cpu", "a rewind that lies of the history before it is found", async (device) => {
  const original = await branchedRun(device);
  const forge = rewound((data) => ({ ...data, history: "1".repeat(64) }));
  const events = forge(await eventsOf(original), { other: [] });
  for (const length of [events.length, REWOUND + 1]) {
    const store = await rewritten([original], events.slice(0, length));
    const { problems } = await orThrow(verifyRun(store, "a"));
    assert.deepEqual(firstOf(problems), ["HistoryFlawed", REWOUND]);
  }
});

backendTest("cpu", "what is rewritten as it was has no fault", async (device) => {
  for (const original of [await changedRun(device), await branchedRun(device)]) {
    const store = await rewritten([original], await eventsOf(original), { anew: true });
    assert.deepEqual((await orThrow(replayRun({ store, device }, "a", tenSteps))).problems, []);
  }
});

backendTest(
  "cpu",
  "a run that is said to be of other data, or computed elsewhere, is not replayed",
  async (device) => {
    const original = await trained(device);
    const cases: readonly (readonly [Forgery["forge"], string])[] = [
      [
        started((data) => ({ ...data, data: { ...data.data, digest: "1".repeat(64) } })),
        "DataDiffers",
      ],
      [started((data) => ({ ...data, task: "nine steps" })), "TaskDiffers"],
      [
        started((data) => ({ ...data, environment: { ...data.environment, backend: "wasm" } })),
        "EnvironmentChanged",
      ],
    ];
    for (const [forge, type] of cases) {
      const forged = forge(await eventsOf(original), { other: [] });
      const store = await rewritten([original], forged, { anew: true });
      const result = await replayRun({ store, device }, "a", tenSteps)();
      assert.ok(E.isLeft(result), type);
      assert.equal(result.left.type, type);
    }
  },
);

backendTest(
  "cpu",
  "a resume recomputes what a rewritten start led to, and names where it is wrong",
  async (device) => {
    const original = await trained(device, { until: 7 });
    const events = await eventsOf(original);
    const cases: readonly (readonly [what: string, step: number, forge: Forgery["forge"]])[] = [
      ["settings", 2, FORGERIES["the settings that a run started with"]!.forge],
      ["state", 0, FORGERIES["the state that a run started with"]!.forge],
      ["loss", 3, FORGERIES["one digit of a loss"]!.forge],
    ];
    for (const [what, step, forge] of cases) {
      const store = await rewritten([original], forge(events, { other: [] }));
      const before = await eventsOf(store);
      const result = await trainRun({ store, device }, "a", tenSteps, { resume: "must" })();
      assert.ok(E.isLeft(result), `${what}: it went on in silence`);
      assert.equal(result.left.type, "Diverged", describeError(result.left));
      assert.deepEqual("step" in result.left && result.left.step, step, what);
      assert.deepEqual(await eventsOf(store), before);
    }
  },
);

backendTest("cpu", "a fork whose origin was rewritten is not gone on with", async (device) => {
  const store = await trained(device);
  await orThrow(forkRun({ store, device }, "a", "b", tenSteps, { at: 6 }));
  const [begun] = await eventsOf(store, "b");
  assert.ok(begun?.type === "RunStarted" && begun.data.origin?.parent);
  const { origin } = begun.data;
  const history = "1".repeat(64);
  const others = [
    { ...origin, parent: { ...origin.parent, history } },
    { ...origin, step: 5 },
    { ...origin, index: origin.index + 1 },
    { ...origin, snapshot: (await keptBy(store)).get(4)! },
  ];
  for (const origin of others) {
    const forged = await rewritten([store], [{ ...begun, data: { ...begun.data, origin } }]);
    const { problems } = await orThrow(verifyRun(forged, "a"));
    assert.deepEqual(problems.map(({ type }) => type), ["SnapshotDiffers"], JSON.stringify(origin));
    const result = await trainRun({ store: forged, device }, "a", tenSteps, { resume: "must" })();
    assert.ok(E.isLeft(result), `it went on in silence: ${JSON.stringify(origin)}`);
  }
});

/** A run whose learning rate changed at step 6. */
async function changedRun(device: Device): Promise<Store> {
  const store = await trained(device, { until: 6 });
  const config = { optimizer: { learningRate: 0.05 } };
  await orThrow(trainRun({ store, device }, "a", tenSteps, { config, recordChanges: true }));
  return store;
}

/** A run of which step 3 was materialized, and which went back to step 5 with another learning rate. */
async function branchedRun(device: Device): Promise<Store> {
  const store = await trained(device);
  await orThrow(materialize({ store, device }, "a", tenSteps, 3));
  const config = { optimizer: { learningRate: 0.05 } };
  await orThrow(trainRun({ store, device }, "a", tenSteps, { at: 5, config, recordChanges: true }));
  return store;
}

type StepData = Extract<RunEvent, { type: "StepTaken" }>["data"];

function atStep(step: number, change: (data: StepData) => StepData): (event: RunEvent) => RunEvent {
  return (event) =>
    isStep(event) && event.data.step === step ? { ...event, data: change(event.data) } : event;
}

type StartedData = Extract<RunEvent, { type: "RunStarted" }>["data"];

function started(change: (data: StartedData) => StartedData): Forgery["forge"] {
  return (events) =>
    events.map((event) =>
      event.type === "RunStarted" ? { ...event, data: change(event.data) } : event
    );
}

type RewoundData = Extract<RunEvent, { type: "RunRewound" }>["data"];

function rewound(change: (data: RewoundData) => RewoundData): Forgery["forge"] {
  return (events) =>
    events.map((event) =>
      event.type === "RunRewound" ? { ...event, data: change(event.data) } : event
    );
}

/** The events of two steps in each other's place; or each in its place, with what the other measured. */
function exchanged(
  events: readonly RunEvent[],
  a: number,
  b: number,
  keepsPlaces: boolean,
): readonly RunEvent[] {
  const [first, second] = [a, b].map((step) =>
    events.findIndex((event) => isStep(event) && event.data.step === step)
  ) as [number, number];
  const [x, y] = [events[first]!, events[second]!];
  if (!isStep(x) || !isStep(y)) throw new Error("no such steps");
  const placed = ({ data: { step, epoch, index } }: typeof x, { data }: typeof x): RunEvent => ({
    type: "StepTaken",
    data: { ...data, step, epoch, index },
  });
  const result = [...events];
  result[first] = keepsPlaces ? placed(x, y) : y;
  result[second] = keepsPlaces ? placed(y, x) : x;
  return result;
}

function planOfEight(event: RunEvent): RunEvent {
  if (event.type !== "RunStarted") return event;
  return { ...event, data: { ...event.data, config: { ...event.data.config, steps: { max: 8 } } } };
}

function withStep(event: RunEvent, step: number): RunEvent {
  return { ...event, data: { ...event.data, step } } as RunEvent;
}

function stepOf({ data }: RunEvent): number {
  return "step" in data ? data.step : 0;
}

/** The first step that differs, where one does; else the first problem. */
function firstOf(problems: readonly Problem[]): Found | undefined {
  const problem = problems.find(({ type }) => type === "Diverged") ?? problems[0];
  if (problem === undefined) return undefined;
  const { type, step, position } = problem;
  return [type, (type === "HistoryFlawed" ? position : step) ?? -1];
}
