import type { TaskEither } from "fp-ts/TaskEither.js";
import { encodeSafetensors } from "../../codec/safetensors.ts";
import { sortedJson } from "../../codec/sorted_json.ts";
import { type HistoryRow, historyRows } from "../../core/history_rows.ts";
import { livePath } from "../../core/live_path.ts";
import type { ModelFiles } from "../../core/model_files.ts";
import { project } from "../../core/projection.ts";
import type { RecordedEvent } from "../../core/recorded_event.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState, SnapshotRef } from "../../core/run_state.ts";
import { samplesShown } from "../../core/sample_files.ts";
import { paramsOf, type TensorGroup } from "../../core/snapshot.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import type { RunError } from "../errors/errors.ts";
import { placeAt, stepAt } from "../replay/place_in_run.ts";
import {
  checkpointDirectory,
  type ExportedState,
  trainerState,
  trainingState,
} from "./trainer_state.ts";
import { readRun, type RecordedRun } from "./read_run.ts";

/** The history of a run up to a place in it: all of it unless one is named. Fails as `readRun`, and with NoPlace. */
export function exportHistory(
  store: Store,
  run: RunId,
  at?: string,
): TaskEither<RunError, readonly HistoryRow[]> {
  return attempt<RunError, readonly HistoryRow[]>(async (get) => {
    const recorded = await get(readRun(store, run));
    return historyUpTo(recorded, placeAt(recorded, at ?? "latest").position);
  });
}

/** A file that has the parameters of a run after a step. */
export interface ExportedWeights {
  readonly step: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * One safetensors file of a run's parameters, trained and frozen ones, at a place of which it keeps the
 * snapshot: the newest unless one is named. Or of what `made` makes of them, such as one model of a base and
 * its adapters. Fails with NoWeights where it keeps none, and with NoPlace.
 */
export function exportWeights(
  store: Store,
  run: RunId,
  at?: string,
  made: (weights: TensorGroup) => TensorGroup = (weights) => weights,
): TaskEither<RunError, ExportedWeights> {
  return attempt<RunError, ExportedWeights>(async (get) => {
    const recorded = await get(readRun(store, run));
    const ref = keptAt(recorded, at);
    const weights = made(await weightsOf(store, ref, get));
    const { heads } = recorded.state.config!.model; // which no shape tells
    const metadata = {
      format: "pt",
      run,
      step: String(ref.step),
      state: ref.state,
      ...(typeof heads === "number" && { heads: String(heads) }),
    };
    return { step: ref.step, bytes: encodeSafetensors(weights, metadata) };
  });
}

/** How a model directory is made. */
export interface DirectoryOptions {
  /** The files of the model itself. */
  readonly files: (weights: TensorGroup, state: RunState) => ModelFiles;
  /** Where the run has the checkpoint of a step, for people. */
  readonly place: (step: number) => string;
  /** Whether every kept snapshot is written too, each to a directory `checkpoint-N` of its own. */
  readonly checkpoints: boolean;
}

/** A directory for other tools, as the bytes of its files by their paths. */
export interface ExportedDirectory {
  readonly step: number;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * A model directory of a run at a place of which it keeps the snapshot, the newest unless one is named: the
 * model's own files, `trainer_state.json`, `training_state.json`, and in `validation_samples/` those that were
 * taken up to there. Fails as `exportWeights`, and where a sample cannot be read.
 */
export function exportDirectory(
  store: Store,
  run: RunId,
  at: string | undefined,
  options: DirectoryOptions,
): TaskEither<RunError, ExportedDirectory> {
  return attempt<RunError, ExportedDirectory>(async (get) => {
    const recorded = await get(readRun(store, run));
    const ref = keptAt(recorded, at);
    const kept = options.checkpoints ? recorded.state.snapshots : [];
    const checkpoints = kept.map(({ step }) => step);
    const files = new Map<string, Uint8Array>();
    for (const [directory, of] of [["", ref] as const, ...kept.map(inDirectory)]) {
      const weights = await weightsOf(store, of, get);
      const exported = stateAt(recorded, of.step, checkpoints);
      const { status } = of.step === recorded.state.step ? recorded.state : exported.state;
      const about = { checkpoint: options.place(of.step), status };
      const model = options.files(weights, exported.state);
      const { name, tensors, metadata } = model.tensors;
      files.set(`${directory}${model.config.name}`, text(sortedJson(model.config.json)));
      files.set(`${directory}${name}`, encodeSafetensors(tensors, metadata));
      files.set(`${directory}trainer_state.json`, text(sortedJson(trainerState(exported))));
      files.set(
        `${directory}training_state.json`,
        text(sortedJson(trainingState(exported, about))),
      );
    }
    const { position } = placeAt(recorded, ref.step);
    for (const { name, digest } of samplesShown(pathUpTo(recorded, position))) {
      files.set(`validation_samples/${name}`, await get(store.sources.get(digest)));
    }
    return { step: ref.step, files };
  });
}

function inDirectory(ref: SnapshotRef): readonly [directory: string, ref: SnapshotRef] {
  return [`${checkpointDirectory(ref.step)}/`, ref];
}

/** The snapshot of a place, which the run keeps. */
function keptAt(recorded: RecordedRun, at: string | undefined): SnapshotRef {
  const { run, state } = recorded;
  const step = at === undefined ? undefined : stepAt(recorded, at);
  const found = step === undefined
    ? state.snapshots.at(-1)
    : state.snapshots.find((ref) => ref.step === step);
  if (found !== undefined) return found;
  const kept = state.snapshots.map(({ step }) => step);
  return fail({ type: "NoWeights", run, step: step ?? state.step, kept } satisfies RunError);
}

async function weightsOf(
  store: Store,
  { snapshot }: SnapshotRef,
  get: Await<RunError>,
): Promise<TensorGroup> {
  return paramsOf(await get(store.snapshots.get(snapshot)));
}

function stateAt(
  recorded: RecordedRun,
  step: number,
  checkpoints: readonly number[],
): ExportedState {
  const { state, position } = placeAt(recorded, step);
  return { rows: historyUpTo(recorded, position), state, checkpoints };
}

/** The history of a run, or of a branch of it, as its events before a position tell it. */
export function historyUpTo(
  { events }: Pick<RecordedRun, "events">,
  position: number,
): readonly HistoryRow[] {
  return project(historyRows, pathUpTo({ events }, position).map(({ event }) => event));
}

function pathUpTo(
  { events }: Pick<RecordedRun, "events">,
  position: number,
): readonly RecordedEvent[] {
  return livePath(events).filter((placed) => placed.position < position);
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}
