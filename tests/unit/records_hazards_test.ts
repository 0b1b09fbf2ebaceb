import assert from "node:assert/strict";
import {
  type Device,
  evolve,
  fileStore,
  initialState,
  isStep,
  lossCurve,
  memoryStore,
  type Notice,
  orThrow,
  type PartialConfig,
  project,
  readHead,
  type RunEvent,
  type RunOutcome,
  runSummary,
  type Store,
  type TrainOptions,
  trainRun,
} from "foldlog";
import { decodeNumber } from "../../src/codec/float_codec.ts";
import { progressReporter } from "../../src/cli/progress_reporter.ts";
import { abandonedBranches, livePath } from "../../src/core/live_path.ts";
import { factsOf } from "../../src/core/run_state.ts";
import { backendTest, leaksNothing } from "../support/backends.ts";
import {
  dataOf,
  eventsOf,
  expectSame,
  hazardTask,
  killedAt,
  RUN,
  stepOf,
  STEPS,
  type Stop,
  train,
  trained,
} from "../support/hazard_runs.ts";
import { runCli } from "../support/run_cli.ts";

// What is recorded of a training and goes wrong at a resume, by the numbers of docs/determinism.md. The
// average of the weights (44) is in training_hazards_test.ts and ema_training_test.ts.

const EVERY_STEP = Array.from({ length: STEPS }, (_, index) => index + 1);

/** Its parameters are soon too large for a float32: some losses are infinite, later ones NaN. */
const TOO_FAST: PartialConfig = {
  optimizer: { name: "sgd", learningRate: 1e25, weightDecay: 0 },
  schedule: { warmupSteps: 0 },
  clip: { norm: 0, value: 0 },
};

backendTest(
  "cpu",
  "hazard 40: each point of a curve is told and recorded once, wherever a run is resumed",
  async (device) => {
    const points = project(lossCurve, await eventsOf(await trained(device, () => hazardTask())));
    assert.deepEqual(points.map(({ step }) => step), EVERY_STEP);
    for (const stops of [[1], [6], [3, 7], [9, 10, 11], EVERY_STEP.slice(0, -1)]) {
      for (const stop of ["paused", "killed"] as const) {
        const { store, told } = await toldOf(device, stops, stop);
        assert.deepEqual(project(lossCurve, await eventsOf(store)), points);
        assert.deepEqual(told, EVERY_STEP, `${stop} after ${stops}`);
      }
    }
  },
);

backendTest(
  "cpu",
  "hazard 40: a run that goes back tells and records each step once on each of its branches",
  async (device) => {
    const points = project(lossCurve, await eventsOf(await trained(device, () => hazardTask())));
    const store = memoryStore();
    const notices: Notice[] = [];
    await session(device, store, { until: 9 }, notices);
    await session(device, store, { at: 5, until: 7 }, notices); // recomputes from the snapshot of 4
    await session(device, store, {}, notices);
    assert.deepEqual(toldIn(notices), [...EVERY_STEP.slice(0, 9), ...EVERY_STEP.slice(5)]);
    const events = await eventsOf(store);
    assert.deepEqual(project(lossCurve, events), points);
    const placed = events.map((event, position) => ({ position, event }));
    const branches = abandonedBranches(placed).map(({ path }) =>
      project(lossCurve, path.map(({ event }) => event))
    );
    assert.deepEqual(branches, [points.slice(0, 9)]);
  },
);

backendTest(
  "cpu",
  "hazard 40: each branch of a run that went back has its points once, and the curve is the live one's",
  async (device) => {
    const events = await eventsOf(await trained(device, () => hazardTask()));
    const kept = events.findLastIndex((event) => stepOf(event) === 5) + 1;
    const before = events.slice(0, kept);
    const abandoned = events.slice(0, events.findLastIndex((event) => stepOf(event) === 9) + 1);
    const rewound: RunEvent = {
      type: "RunRewound",
      data: {
        step: 5,
        position: kept,
        history: "0".repeat(64),
        facts: factsOf(before.reduce(evolve, initialState)),
      },
    };
    const after = events.slice(kept).filter(isStep).map((event): RunEvent => ({
      type: "StepTaken",
      data: { ...event.data, loss: event.data.loss + 1 },
    }));
    const placed = [...abandoned, rewound, ...after].map((event, position) => ({
      position,
      event,
    }));
    const curveOf = (path: typeof placed) => project(lossCurve, path.map(({ event }) => event));
    const live = curveOf(placed);
    assert.deepEqual(live.map(({ step }) => step), EVERY_STEP);
    const first = project(lossCurve, events);
    assert.deepEqual(live.map(({ step, loss }) => loss - first[step - 1]!.loss > 0.5), [
      ...Array.from({ length: 5 }, () => false),
      ...Array.from({ length: STEPS - 5 }, () => true),
    ]);
    assert.deepEqual(curveOf([...livePath(placed)]), live);
    const [branch] = abandonedBranches(placed);
    assert.deepEqual(curveOf([...branch!.path]), first.slice(0, 9));
  },
);

backendTest(
  "cpu",
  "hazard 41: losses that are no numbers are JSON in the log and in --json, and resume",
  async (device) => {
    const root = await Deno.makeTempDir();
    try {
      const store = fileStore(root);
      await train(device, store, hazardTask(TOO_FAST), { until: 11 });
      const losses = (await dataOf(store, "StepTaken")).map(({ loss }) => loss);
      assert.ok(losses.includes(Infinity) && losses.some(Number.isNaN), String(losses));
      const written = (await Deno.readTextFile(`${root}/${RUN}/log/00000000.jsonl`)).trimEnd();
      const [log, shown] = await Promise.all(["log", "show"].map(
        async (verb) => {
          const { code, stdout } = await runCli([verb, RUN, "--json", "--runs", root]);
          assert.equal(code, 0);
          return stdout.trimEnd();
        },
      ));
      assert.equal(log, written);
      const parsed = log!.split("\n").map((line) => JSON.parse(line).event as RunEvent);
      const decoded = parsed.filter(isStep).map(({ data }) => decodeNumber(data.loss));
      assert.deepEqual(decoded, losses);
      assert.equal(JSON.parse(shown!).lastLoss, "NaN");
    } finally {
      await Deno.remove(root, { recursive: true });
    }
    await expectSame(device, () => hazardTask(TOO_FAST), [2, 7]);
  },
);

backendTest(
  "cpu",
  "hazard 42: the log has every bit of a loss, and a resume goes on with the average of all of them",
  async (device) => {
    const root = await Deno.makeTempDir();
    try {
      const read: number[] = [];
      const noting: Device = {
        ...device,
        async read(tensor, reuse) {
          const host = await device.read(tensor, reuse);
          if (tensor.shape.length === 1 && tensor.size === 2) read.push(host.data[0]!);
          return host;
        },
      };
      const whole = fileStore(`${root}/whole`);
      await leaksNothing(() =>
        orThrow(trainRun({ store: whole, device: noting }, RUN, hazardTask()))
      );
      const losses = (await dataOf(fileStore(`${root}/whole`), "StepTaken")).map(({ loss }) =>
        loss
      );
      assert.deepEqual(read.filter((value) => losses.includes(value)), losses);
      assert.deepEqual(losses.map(Math.fround), losses, "they are float32");
      assert.ok(losses.every((loss) => Number(loss.toFixed(4)) !== loss), "none is rounded");
      let average = losses[0]!;
      for (const loss of losses.slice(1)) average += (1 - 0.98) * (loss - average);
      for (const stop of ["paused", "killed"] as const) {
        const [memory, files] = [memoryStore(), () => fileStore(`${root}/${stop}`)];
        await trained(device, () => hazardTask(), EVERY_STEP.slice(0, -1), stop, memory);
        await trained(device, () => hazardTask(), [5, 6], stop, files());
        for (const store of [memory, files()]) {
          const { state } = await orThrow(readHead(store, RUN));
          assert.equal(runSummary(state).trainEmaLoss, average, stop);
        }
      }
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
);

backendTest(
  "cpu",
  "hazard 43: a resume says the epoch and the step at which the run was, and goes on from them",
  async (device) => {
    const steps = await dataOf(await trained(device, () => hazardTask()), "StepTaken");
    for (const stop of ["paused", "killed"] as const) {
      for (const at of [1, 3, 6, 11]) {
        const store = memoryStore();
        await stopped(device, store, at, stop);
        const notices: Notice[] = [];
        const { state } = await session(device, store, { until: at + 1 }, notices);
        const resumed = notices.find(({ type }) => type === "Resumed");
        assert.ok(resumed?.type === "Resumed");
        const { epoch } = steps[at - 1]!;
        assert.deepEqual([resumed.step, resumed.epoch, resumed.history], [at, epoch, at]);
        const next = steps[at]!;
        const { step, maxSteps, epoch: now } = runSummary(state);
        assert.deepEqual([step, maxSteps, now], [at + 1, STEPS, next.epoch]);
      }
    }
  },
);

Deno.test("hazard 43: the rate, the share and the time left count from the resumed step", () => {
  const { performance: real } = globalThis;
  let now = 0;
  const lines: string[] = [];
  try {
    Object.defineProperty(globalThis, "performance", {
      value: { now: () => now },
      configurable: true,
    });
    const { report } = progressReporter({ say: (line) => void lines.push(line), json: true });
    const step = (step: number, milliseconds: number, recorded: boolean) => {
      now += milliseconds;
      report({ type: "Step", step, maxSteps: 2000, loss: 1, learningRate: 1, recorded });
    };
    report({ type: "Resuming", run: "a", snapshot: 900, head: 1000, maxSteps: 2000 });
    for (let n = 901; n <= 1000; n++) step(n, 100, false); // recomputed, at ten a second
    const comparing = lines.filter((line) => /^step .*comparing/.test(line)).map(progressOf);
    report({
      type: "Resumed",
      run: "a",
      step: 1000,
      epoch: 7,
      snapshot: 900,
      recomputed: 100,
      compared: 100,
      fingerprints: 10,
      history: 1000,
      best: undefined,
    });
    assert.match(lines.at(-1)!, /global_step=1000, epoch 7\b/);
    for (let n = 1001; n <= 1100; n++) step(n, 1000, true); // at one a second
    const { step: at, rate, left } = progressOf(lines.at(-1)!);
    assert.ok(at > 1090 && lines.at(-1)!.includes(`step ${at}/2000 `), lines.at(-1)!);
    assert.ok(Math.abs(rate - 1) < 0.05, `${rate} steps a second`);
    assert.ok(Math.abs(left - (2000 - at)) < 50, `${left} seconds left`);
    assert.ok(comparing.length > 0 && comparing.every(({ rate }) => Math.abs(rate - 10) < 0.5));
  } finally {
    Object.defineProperty(globalThis, "performance", { value: real, configurable: true });
  }
});

/** What a line of progress says. */
function progressOf(line: string): { step: number; rate: number; left: number } {
  const [, step, rate, hours = 0, minutes = 0, seconds = 0] =
    /^step (\d+)\/.* ([\d.]+) steps\/s {2}ETA (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?/.exec(line)!;
  const left = 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds);
  return { step: Number(step), rate: Number(rate), left };
}

/** A run of several sessions, and the steps of which a reporter was told as newly recorded. */
async function toldOf(
  device: Device,
  stops: readonly number[],
  stop: Stop,
): Promise<{ readonly store: Store; readonly told: readonly number[] }> {
  const store = memoryStore();
  const notices: Notice[] = [];
  for (const step of stops) await stopped(device, store, step, stop, notices);
  await session(device, store, {}, notices);
  return { store, told: toldIn(notices) };
}

function toldIn(notices: readonly Notice[]): readonly number[] {
  return notices.flatMap((notice) =>
    notice.type === "Step" && notice.recorded ? [notice.step] : []
  );
}

/** A session that ends after a step; what it tells is added to `notices`. */
async function stopped(
  device: Device,
  store: Store,
  step: number,
  stop: Stop,
  notices: Notice[] = [],
): Promise<void> {
  if (stop === "paused") return void await session(device, store, { until: step }, notices);
  const reporter = { report: (notice: Notice) => void notices.push(notice) };
  const env = (store: Store) => ({ store, device, reporter });
  await killedAt(store, (event) => stepOf(event) > step, env, hazardTask());
}

/** A session of the run; what it tells is added to `notices`. */
function session(
  device: Device,
  store: Store,
  options: TrainOptions,
  notices: Notice[],
): Promise<RunOutcome> {
  const reporter = { report: (notice: Notice) => void notices.push(notice) };
  const env = { store, device, reporter };
  return leaksNothing(() => orThrow(trainRun(env, RUN, hazardTask(), options)));
}
