import {
  type Digest,
  mergeConfig,
  type PartialConfig,
  type RunConfig,
  type RunStatus,
  scheduleSteps,
  type Setting,
  settings,
  withSettings,
} from "foldlog";
import { canonicalJson, sha256 } from "foldlog/codec";
import { type Change, type ChangeName, changes } from "./model_task.ts";
import type { Oracle, Place } from "./oracle.ts";

/** A snapshot that the model says is kept. */
export interface Kept {
  readonly step: number;
  readonly state: Digest;
  readonly reason: string;
  /** Of the last event that led to its state. */
  readonly position: number;
  /** What it commits to. */
  readonly history: string;
}

/** What a run is after some event of its log, to the model. */
export interface ModelState {
  readonly status: RunStatus;
  readonly config: RunConfig;
  /** The places of the live branch, the first that at which the run begins. */
  readonly path: readonly Place[];
  /** Of each place, how many events lead to it and to what was stored of it. */
  readonly ends: readonly number[];
  readonly kept: readonly Kept[];
  readonly left: readonly Kept[];
  /** Names all that was computed. */
  readonly history: string;
  /** What is still to be told of the last step: a process that dies leaves some. */
  readonly todo: readonly Told[];
}

/** A run to the model, which keeps everything: what it was after every event of its log. */
export interface ModelRun {
  readonly name: string;
  readonly states: readonly ModelState[];
}

/** An event as the model predicts it: without digests of manifests, and of facts that others check. */
export interface Told {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Of a step, the place that it leads to. */
  readonly place?: Place;
}

/** The events that a command leads to where nothing interrupts it, and how it ends. */
export interface Prediction {
  readonly told: readonly Told[];
  /** What the run is after each of these events. */
  readonly states: readonly ModelState[];
  /** A status, or the type of an error. */
  readonly outcome: string;
}

/** The state of the run's last place. */
export function headOf({ states }: ModelRun): ModelState {
  return states.at(-1)!;
}

/** The step of a state's last place. */
export function stepOf({ path }: ModelState): number {
  return path.at(-1)!.step;
}

/** The step at which a run begins. */
export function baseOf({ path }: ModelState): number {
  return path[0]!.step;
}

/** A step of the live branch, whatever the number. */
export function stepWithin(state: ModelState, number: number): number {
  return baseOf(state) + number % state.path.length;
}

/** Predicts what a training of a new run leads to, in which nothing was changed before. */
export async function begun(oracle: Oracle, config: RunConfig): Promise<Teller> {
  const place = await oracle.begin(config);
  const teller = tellerFrom([]);
  teller.tell({ type: "RunStarted", data: { config, state: place.state }, place });
  return teller;
}

/** Goes on with a run in the model, event by event. */
export interface Teller {
  readonly state: () => ModelState;
  readonly tell: (told: Told) => void;
  readonly prediction: (outcome: string) => Prediction;
}

/** A teller that goes on after what a run was. */
export function tellerFrom(before: readonly ModelState[]): Teller {
  const told: Told[] = [];
  const states: ModelState[] = [];
  return {
    state: () => (states.at(-1) ?? before.at(-1))!,
    tell(event) {
      const all = [...before, ...states];
      told.push(event);
      states.push(after(all, event));
    },
    prediction: (outcome) => ({ told, states, outcome }),
  };
}

/** How a training goes on, as it is told to the library. */
export interface Training {
  readonly at: number | undefined;
  readonly until: number | undefined;
  readonly change: ChangeName | undefined;
}

/** Predicts a training that goes on. */
export async function trained(
  oracle: Oracle,
  run: ModelRun,
  { change, at, until }: Training,
): Promise<Prediction> {
  const head = headOf(run);
  const teller = tellerFrom(run.states);
  const { state, tell, prediction } = teller;
  const back = at !== undefined && at !== stepOf(head) ? at : undefined;
  const position = back === undefined ? run.states.length : head.ends[back - baseOf(head)]!;
  const from: ModelState = back === undefined
    ? head
    : { ...run.states[position - 1]!, status: "running" };
  const changed = change && changedSettings(from.config, changes[change]);
  const config = changed ? withSettings(from.config, changed.changes) : from.config;
  const step = stepOf(from);
  if (config.steps.max < step) return prediction("BadSetting");
  if (from.status === "completed" && step === config.steps.max) return prediction("completed");
  if (until !== undefined && until < step) return prediction("StepPassed");
  if (until === step && from.status === "paused" && !changed) return prediction("paused");
  if (back !== undefined) tell({ type: "RunRewound", data: { step, position } });
  if (state().status !== "running") tell({ type: "RunResumed", data: { step } });
  while (state().todo.length > 0) tell(state().todo[0]!); // of the step before the change
  if (changed) tell({ type: "ConfigChanged", data: { step, ...changed } });
  return await toTheEnd(oracle, teller, until ?? Infinity);
}

/** Predicts the steps of a run that is running, up to `until`, and how it stops there. */
export async function toTheEnd(
  oracle: Oracle,
  { state, tell, prediction }: Teller,
  until: number,
): Promise<Prediction> {
  for (;;) {
    while (state().todo.length > 0) tell(state().todo[0]!);
    const { path, config } = state();
    const before = path.at(-1)!;
    if (before.step >= Math.min(until, config.steps.max)) break;
    tell(await nextStep(oracle, before, config));
  }
  const { kept, config, path } = state();
  const { step, state: digest } = path.at(-1)!;
  const completes = step === config.steps.max;
  if (kept.at(-1)?.step !== step) {
    const reason = completes ? "final" : "paused";
    tell({ type: "SnapshotTaken", data: { step, state: digest, reason } });
  }
  if (completes) tell({ type: "RunCompleted", data: { step } });
  else tell({ type: "RunPaused", data: { step, reason: "until" } });
  return prediction(completes ? "completed" : "paused");
}

async function nextStep(oracle: Oracle, before: Place, config: RunConfig): Promise<Told> {
  const place = await oracle.next(before, config);
  const { step, cursor, state, taken } = place;
  const todo: Told[] = [];
  for (let { epoch } = before.cursor; epoch < cursor.epoch; epoch++) {
    todo.push({ type: "EpochCompleted", data: { step, epoch } });
  }
  const { every } = config.evaluate;
  const last = step === config.steps.max;
  if (step % every === 0 || last) {
    const loss = await oracle.evaluation(place, config);
    todo.push({ type: "EvaluationTaken", data: { step, loss, samples: config.batch.micro } });
    todo.push({ type: "SamplesTaken", data: { step, samples: await oracle.samples(place) } });
  }
  if (last || step % config.save.every === 0) {
    const reason = last ? "final" : "scheduled";
    todo.push({ type: "SnapshotTaken", data: { step, state, reason } });
  }
  return { type: "StepTaken", data: { step, ...cursor, ...taken, todo }, place };
}

/** How a fork is made. */
export interface Fork {
  readonly at: number;
  readonly weightsOnly: boolean;
  readonly change: ChangeName | undefined;
}

/** Predicts a fork; its events are those of the new run. */
export async function forked(
  oracle: Oracle,
  run: ModelRun,
  { at, change, weightsOnly }: Fork,
): Promise<Prediction> {
  const head = headOf(run);
  const index = at - baseOf(head);
  const past = run.states[head.ends[index]! - 1]!;
  const parent = past.path[index]!;
  // A training that begins anew has a schedule of its own length, unless it is said otherwise.
  const choice = weightsOnly ? { schedule: "stretch" as const } : {};
  const changed = change && changedSettings(past.config, { ...choice, ...changes[change] });
  const config = changed ? withSettings(past.config, changed.changes) : past.config;
  const { tell, prediction } = tellerFrom([]);
  if (config.steps.max < (weightsOnly ? 0 : at)) return prediction("BadSetting");
  const place = weightsOnly ? await oracle.weights(parent, config) : parent;
  const origin = {
    parent: { run: run.name, step: at, state: parent.state },
    takes: weightsOnly ? "weights" : "state",
    step: place.step,
    ...place.cursor,
  };
  tell({ type: "RunStarted", data: { config, state: place.state, origin }, place });
  return prediction("forked");
}

/** Predicts that a snapshot of a step is made, or is kept. */
export function materialized(run: ModelRun, step: number): Prediction {
  const { kept, path, ends, todo } = headOf(run);
  const { tell, prediction } = tellerFrom(run.states);
  const index = step - path[0]!.step;
  const { cursor, state, taken } = path[index]!;
  if (!kept.some((one) => one.step === step)) {
    if (step === stepOf(headOf(run)) && todo.length > 0) return prediction("NoPlace");
    const position = ends[index]!;
    const loss = taken && index > 0 && { loss: taken.loss };
    tell({ type: "SnapshotMaterialized", data: { step, state, position, ...cursor, ...loss } });
  }
  return prediction("kept");
}

/** Predicts that these snapshots are pruned, and those that were left. */
export function pruned(run: ModelRun, steps: readonly number[]): Prediction {
  const { kept, left } = headOf(run);
  const { tell, prediction } = tellerFrom(run.states);
  for (const { step } of kept.filter(({ step }) => steps.includes(step))) {
    tell({ type: "SnapshotPruned", data: { step, from: "kept" } });
  }
  for (const { step } of left) tell({ type: "SnapshotPruned", data: { step, from: "left" } });
  return prediction("pruned");
}

interface Changed {
  readonly changes: Readonly<Record<string, Setting>>;
  readonly class: "free" | "training";
}

/** The settings in which a change differs; a schedule keeps its length where the plan's changes. */
function changedSettings(
  config: RunConfig,
  { config: asked, schedule = "keep" }: Change,
): Changed | undefined {
  const before = settings(config);
  const merged = settings(mergeConfig(config, asked as PartialConfig));
  const changed = new Map([...merged].filter(([path, value]) => value !== before.get(path)));
  if (changed.size === 0) return undefined;
  const isFree = [...changed.keys()].every((path) => FREE.test(path));
  const stretches = changed.has("steps.max") && schedule === "stretch";
  if (changed.has("steps.max")) {
    const length = schedule === "keep" ? scheduleSteps(config) : 0;
    if (length !== config.schedule.steps) changed.set("schedule.steps", length);
  }
  const kind = isFree && !stretches ? "free" : "training";
  return { changes: Object.fromEntries(changed), class: kind };
}

const FREE = /^(steps\.max|save\.|evaluate\.|fingerprint\.)/;

/** What a run is after one more event: all states before it are at hand. */
function after(states: readonly ModelState[], told: Told): ModelState {
  const next = applied(states, told);
  const { type, data: { todo: _, ...data } } = told;
  return isComputed(told) ? { ...next, history: sha256(next.history, type, textOf(data)) } : next;
}

function isComputed({ type, data }: Told): boolean {
  return COMPUTED.includes(type) || (type === "ConfigChanged" && data["class"] === "training");
}

const COMPUTED: readonly string[] = [
  "RunStarted",
  "StepTaken",
  "EpochCompleted",
  "EvaluationTaken",
  "SamplesTaken",
];

function textOf(data: Told["data"]): string {
  return canonicalJson(data as never);
}

function applied(states: readonly ModelState[], { type, data, place }: Told): ModelState {
  const position = states.length;
  const now = states.at(-1)!;
  const ended = { ...now, ends: [...now?.ends.slice(0, -1) ?? [], position + 1] };
  const todo = now?.todo.slice(1) ?? [];
  switch (type) {
    case "RunStarted": {
      const { state, step } = place!;
      const history = `of ${place!.path}`; // the parent's
      const own = [{ step, state, reason: "forked", position: 0, history }];
      return {
        status: "running",
        config: data["config"] as RunConfig,
        path: [place!],
        ends: [1],
        kept: data["origin"] ? own : [],
        left: [],
        history: "",
        todo: [],
      };
    }
    case "StepTaken":
      return {
        ...now,
        path: [...now.path, place!],
        ends: [...now.ends, position + 1],
        todo: data["todo"] as readonly Told[],
      };
    case "EpochCompleted":
    case "EvaluationTaken":
    case "SamplesTaken":
      return { ...ended, todo };
    case "SnapshotTaken": {
      const { step, state, reason } = data as unknown as Kept;
      const { history } = now;
      const taken = { step, state, reason, position, history };
      return { ...ended, todo: [], kept: [...now.kept, taken], left: otherThan(taken, now.left) };
    }
    case "SnapshotMaterialized": {
      const { step, state, position: end } = data as unknown as Kept;
      const { history } = states[end - 1]!;
      const made = { step, state, reason: "materialized", position: end - 1, history };
      const kept = [...now.kept, made].sort((a, b) => a.step - b.step);
      return { ...now, kept, left: otherThan(made, now.left) };
    }
    case "SnapshotPruned": {
      const without = (all: readonly Kept[]) => all.filter((one) => one.step !== data["step"]);
      return data["from"] === "left"
        ? { ...now, left: now.left.slice(1) }
        : { ...now, kept: without(now.kept) };
    }
    case "ConfigChanged": {
      const values = data["changes"] as Readonly<Record<string, Setting>>;
      return { ...now, config: withSettings(now.config, values) };
    }
    case "RunRewound": {
      const end = data["position"] as number;
      const isLive = (kept: Kept) => kept.position < end;
      return {
        ...states[end - 1]!,
        status: "running",
        kept: now.kept.filter(isLive),
        left: [...now.left, ...now.kept.filter((kept) => !isLive(kept))],
      };
    }
    case "RunResumed":
      return { ...now, status: "running" };
    case "RunPaused":
      return { ...now, status: "paused" };
    case "RunCompleted":
      return { ...now, status: "completed" };
    default:
      throw new Error(`the model knows no ${type}`);
  }
}

/** A snapshot that a branch took as well that was left is that of the live branch. */
function otherThan({ step, state, history }: Kept, left: readonly Kept[]): readonly Kept[] {
  return left.filter((one) => one.step !== step || one.state !== state || one.history !== history);
}
