import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  anyOf,
  collectGarbage,
  type Device,
  forkRun,
  keepEvery,
  keepLast,
  materialize,
  orThrow,
  type Problem,
  pruneRun,
  readRun,
  repairRun,
  replayRun,
  type RetentionPolicy,
  type RunEnv,
  type RunEvent,
  type SnapshotId,
  type SnapshotRef,
  type Store,
  type TrainOptions,
  trainRun,
} from "foldlog";
import { leaksNothing } from "../../support/backends.ts";
import { dyingStore, Killed } from "../../support/dying_store.ts";
import type { Command, Death } from "./commands.ts";
import { expectModel, linesOf } from "./expect_model.ts";
import {
  begun,
  forked,
  headOf,
  materialized,
  type ModelRun,
  type Prediction,
  pruned,
  stepOf,
  stepWithin,
  type Told,
  toTheEnd,
  trained,
} from "./model.ts";
import { changes, firstConfig, modelTask } from "./model_task.ts";
import type { Oracle } from "./oracle.ts";

/** Where a sequence is run: a store that is opened anew for every command, and can lose snapshots. */
export interface Bench {
  readonly device: Device;
  readonly open: () => Store;
  readonly lost: Set<SnapshotId>;
  readonly oracle: Oracle;
}

const FIRST = "first";

/** What a replay may find: `expectModel` looks at these. */
const HARMLESS: readonly Problem["type"][] = ["SnapshotUnreadable", "ViewUnnamed"];

/**
 * Does what the commands say, in the library and in the model, and compares after each. In the end every
 * run is replayed.
 */
export async function runSequence(bench: Bench, commands: readonly Command[]): Promise<void> {
  const runs: ModelRun[] = [];
  for (const command of commands) {
    const before = new Map<string, readonly string[]>();
    for (const { name } of runs) before.set(name, await linesOf(bench.open(), name));
    await doCommand(bench, runs, command);
    for (const run of runs) {
      await expectModel(bench.open(), run, before.get(run.name) ?? [], bench.lost);
    }
  }
  for (const { name } of runs) {
    const env = { store: bench.open(), device: bench.device };
    const report = await leaksNothing(() => orThrow(replayRun(env, name, modelTask)));
    const problems = report.problems.filter(({ type }) => !HARMLESS.includes(type));
    assert.deepEqual(problems, [], `replay of ${name}`);
  }
}

async function doCommand(bench: Bench, runs: ModelRun[], command: Command): Promise<void> {
  const { device, open, lost, oracle } = bench;
  if (runs.length === 0) {
    if (command.does !== "train") return;
    const prediction = await toTheEnd(
      oracle,
      await begun(oracle, firstConfig),
      command.steps ?? Infinity,
    );
    const options = { config: firstConfig, ...untilOf(command.steps) };
    return await compare(bench, runs, { name: FIRST, states: [] }, command.dies, {
      prediction,
      work: (env) => train(env, FIRST, options),
    });
  }
  if (command.does === "collect") return void await orThrow(collectGarbage(open()));
  const run = runs[command.run % runs.length]!;
  const { name } = run;
  const head = headOf(run);
  switch (command.does) {
    case "train": {
      const { steps, change, dies } = command;
      const at = command.at === undefined ? undefined : stepWithin(head, command.at);
      const until = steps === undefined ? undefined : (at ?? stepOf(head)) + steps;
      const prediction = await trained(oracle, run, { change, at, until });
      const options: TrainOptions = {
        ...(at !== undefined && { at }),
        ...untilOf(until),
        ...(change && changes[change]),
        recordChanges: true,
      };
      const work = (env: RunEnv) => train(env, name, options);
      return await compare(bench, runs, run, dies, { prediction, work });
    }
    case "fork": {
      const { change, weightsOnly, dies } = command;
      const at = stepWithin(head, command.at);
      const prediction = await forked(oracle, run, { at, change, weightsOnly });
      const options = { at, weightsOnly, ...(change && changes[change]) };
      const child = `${name}-${runs.length}`;
      return await compare(bench, runs, { name: child, states: [] }, dies, {
        prediction,
        work: async (env) => {
          const forked = await forkRun(env, name, child, modelTask, options)();
          return E.isLeft(forked) ? forked.left.type : "forked";
        },
      });
    }
    case "materialize": {
      const at = stepWithin(head, command.at);
      return await compare(bench, runs, run, command.dies, {
        prediction: materialized(run, at),
        work: async (env) => {
          const made = await materialize(env, name, modelTask, at)();
          return E.isLeft(made) ? made.left.type : "kept";
        },
      });
    }
    case "prune": {
      const { policy, spares } = policyOf(command.keep);
      const dry = await orThrow(pruneRun(open(), name, policy, { dryRun: true }));
      const pruning = dry.snapshots.filter(({ reasons }) => reasons.length === 0);
      const live = pruning.slice(0, pruning.length - head.left.length);
      const steps = live.map(({ snapshot }) => snapshot.step);
      const forked = head.kept.filter(({ reason }) => reason === "forked").map(({ step }) => step);
      const spared = [...spares(head.kept.map(({ step }) => step)), ...forked];
      assert.deepEqual(spared.filter((step) => steps.includes(step)), [], "was to be kept");
      return await compare(bench, runs, run, command.dies, {
        prediction: pruned(run, steps),
        work: async ({ store }) => {
          const done = await pruneRun(store, name, policy)();
          return E.isLeft(done) ? done.left.type : "pruned";
        },
      });
    }
    case "lose": {
      const own = await snapshotsOf(open(), name);
      const forks = new Set<SnapshotId>();
      for (const { name } of runs) {
        for (const { reason, snapshot } of await snapshotsOf(open(), name)) {
          if (reason === "forked") forks.add(snapshot);
        }
      }
      const losable = own.filter(({ snapshot }) => !forks.has(snapshot));
      const chosen = losable[command.snapshot % losable.length];
      if (chosen) lost.add(chosen.snapshot);
      return;
    }
    case "repair":
      return await compare(bench, runs, run, command.dies, {
        prediction: { told: [], states: [], outcome: "repaired" },
        work: async ({ store }) => {
          const means = () => Promise.resolve({ device, task: modelTask });
          const report = await repairRun(store, name, means)();
          if (E.isLeft(report)) return report.left.type;
          const still = (await snapshotsOf(open(), name)).filter(({ snapshot }) =>
            lost.has(snapshot)
          );
          assert.deepEqual(still, [], JSON.stringify(report.right.problems));
          return "repaired";
        },
      });
  }
}

/** What a command does, and what the model says that it leads to. */
interface Work {
  readonly prediction: Prediction;
  /** Gives a status, or the type of an error. */
  readonly work: (env: RunEnv) => Promise<string>;
}

/**
 * Does the work, maybe until the process dies in the middle of it: the events are those that the model
 * predicts, or the first of them. The model goes on from what is in the log.
 */
async function compare(
  { device, open }: Bench,
  runs: ModelRun[],
  run: ModelRun,
  death: Death | undefined,
  { prediction, work }: Work,
): Promise<void> {
  const { store, report, dead } = dyingStore(open(), death);
  const env: RunEnv = { store, device, reporter: { report } };
  const outcome = await leaksNothing(() =>
    work(env).catch((error) => {
      if (error instanceof Killed) return "killed";
      throw error;
    })
  );
  const { events } = await orThrow(open().log.read(run.name));
  const added = events.slice(run.states.length).map(({ event }) => event);
  const told = prediction.told.slice(0, added.length).map(plain);
  assert.deepEqual(added.map((event, index) => told[index] && alike(event, told[index])), told);
  if (!dead()) {
    assert.deepEqual(told, prediction.told.map(plain), "events are missing");
    assert.equal(outcome, prediction.outcome);
  }
  const states = [...run.states, ...prediction.states.slice(0, added.length)];
  const index = runs.findIndex(({ name }) => name === run.name);
  if (states.length > 0) runs.splice(index < 0 ? runs.length : index, 1, { ...run, states });
}

type Plain = Pick<Told, "type" | "data">;

/** What is told without what the model alone knows. */
function plain({ type, data: { todo: _1, from: _2, ...data } }: Told): Plain {
  return { type, data };
}

/** An event, its data without what the model does not tell. */
function alike({ type, data }: RunEvent, told: Plain): Plain {
  return { type, data: pick(data, told.data) };
}

function pick(found: object, told: object): Readonly<Record<string, unknown>> {
  const members = Object.keys(told).map((name) => {
    const [a, b] = [found, told].map((one) => (one as Readonly<Record<string, unknown>>)[name]);
    const isGroup = isObject(a) && isObject(b) && !Array.isArray(b) && name !== "config" &&
      name !== "changes";
    return [name, isGroup ? pick(a, b) : a] as const;
  });
  return Object.fromEntries(members);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

async function train(env: RunEnv, run: string, options: TrainOptions): Promise<string> {
  const result = await trainRun(env, run, modelTask, options)();
  return E.isLeft(result) ? result.left.type : result.right.status;
}

function untilOf(until: number | undefined): Pick<TrainOptions, "until"> {
  return until === undefined ? {} : { until };
}

async function snapshotsOf(store: Store, run: string): Promise<readonly SnapshotRef[]> {
  return (await orThrow(readRun(store, run))).state.snapshots;
}

/** A policy, and which of the steps that are kept it may not prune. */
function policyOf({ last = 1, every }: { readonly last?: number; readonly every?: number }): {
  readonly policy: RetentionPolicy;
  readonly spares: (kept: readonly number[]) => readonly number[];
} {
  const spares = (kept: readonly number[]) => [
    ...kept.slice(-last),
    ...kept.filter((step) => every !== undefined && step % every === 0),
  ];
  const policy = every === undefined ? keepLast(last) : anyOf(keepLast(last), keepEvery(every));
  return { policy, spares };
}
