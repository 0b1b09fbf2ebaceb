import type { SettingError } from "../../core/config_path.ts";
import type { DecideError } from "../../core/decide.ts";
import type { EnvironmentChange } from "../../core/environment.ts";
import { originName } from "../../core/run_origin.ts";
import type { LogError } from "../../ports/event_log.ts";
import type { SnapshotError } from "../../ports/snapshot_store.ts";
import { describeCodeError } from "./describe_code_error.ts";
import { didYouMean } from "./did_you_mean.ts";
import { describeDataError } from "./describe_data_error.ts";
import type { Divergence, RunError } from "./errors.ts";

/** A RunError for people: what was expected, what was found, what to do. */
export function describeError(error: RunError): string {
  switch (error.type) {
    case "VersionConflict":
    case "RunLocked":
    case "LogDamaged":
    case "NewerLog":
    case "LogUnavailable":
      return describeLogError(error);
    case "SnapshotMissing":
    case "SnapshotDamaged":
    case "NewerSnapshot":
    case "SnapshotsUnavailable":
      return describeSnapshotError(error);
    case "WrongStatus":
    case "WrongStep":
    case "EnvironmentChanged":
      return describeDecideError(error);
    case "BadAssignment":
    case "UnknownSetting":
    case "BadSetting":
      return describeSettingError(error);
    case "Diverged":
      return describeDivergence(error);
    case "BackendUnavailable":
      return `Cannot use the backend "${error.backend}": ${error.reason}.`;
    case "RunMissing":
      return `There is no run "${error.run}".${didYouMean(error.near)} ` +
        "`foldlog runs` lists the runs that there are.";
    case "RunExists":
      return `Run "${error.run}" exists already, at step ${error.step}. ` +
        `\`foldlog resume ${error.run}\` continues it; --run NAME makes another.`;
    case "TaskDiffers":
      return `Run "${error.run}" is a run of "${error.expected}", not of "${error.actual}". ` +
        "Start another with --run NAME.";
    case "DataDiffers":
    case "HeldOutDiffers":
      return describeDataError(error);
    case "CodeDiffers":
    case "CodeUnreadable":
    case "CodeUnrecorded":
    case "CodeUnknown":
    case "NewerCode":
    case "SourceMissing":
    case "SourceDamaged":
    case "SourcesUnavailable":
      return describeCodeError(error);
    case "ConfigDiffers":
      return describeConfigDiffers(error);
    case "DataMisfit":
      return `The samples of "${error.name}" do not have the form of the parent's: expected ` +
        `${error.expected}, found ${error.actual}. Bring them into that form.`;
    case "OrderDiffers":
      return "Batches of the parent cannot be skipped in a fork that takes its data in another order: " +
        "leave seed, data.shuffle and the data as they are, or name samples (withoutSamples).";
    case "BatchUsed":
      return `The batch of step ${error.step} cannot be skipped in a fork at step ${error.fork}, which ` +
        `comes after it: expected a step after ${error.fork}. Fork at an earlier step.`;
    case "NoSuchSample":
      return `Sample ${error.found} cannot be left out: expected numbers from 0 to ` +
        `${error.samples - 1}, those of the data set.`;
    case "WeightsMisfit":
      return `The weights of ${error.from} are not those of this model: ${error.reason}. ` +
        "Leave the settings of the model as they are there, or take other weights.";
    case "NoWeights":
      return `Run "${error.run}" keeps no snapshot of step ${error.step}; it keeps those of ` +
        `${error.kept.length === 0 ? "no step" : `steps ${error.kept.join(", ")}`}. ` +
        `\`foldlog materialize ${error.run}@${error.step}\` makes it by recomputation.`;
    case "NoBranch":
      return error.branches === 0
        ? `Run "${error.run}" never went back: it has no other branch than the live one. ` +
          "Leave out --branch."
        : `Run "${error.run}" has no branch ${error.branch}: expected one from 1 to ` +
          `${error.branches}, the branches that it has left.`;
    case "NoTask":
      return `${error.message}.`;
    case "NoPlace":
      return `Run "${error.run}" has no place "${error.at}": ${error.reason}.` +
        `${didYouMean(error.near ?? [])} ${checkpointsText(error)}`;
    case "OriginMissing":
      return `The state that this run begins with is gone (snapshot ${
        short(error.origin.snapshot)
      }). It is that of ${
        originName(error.origin)
      }. A run that begins there once more, under another ` +
        "name, stores the same objects again, where that is still there: then this one goes on. Or " +
        "restore the objects from a backup.";
    case "ComputedElsewhere":
      return `Steps ${error.from} to ${error.to} of run "${error.run}" were computed in another ` +
        `environment (${error.backend}), and their bits cannot be compared in this one. ` +
        `To go on from there, continue the run with --backend ${error.backend} where it was ` +
        "computed, pause it, and then accept the new environment.";
    case "StateDiffers":
      return `The snapshot of step ${error.step} is not of this model: ${error.reason}. ` +
        "Use the code that the run was started with, or start another run with --run NAME.";
    case "SnapshotsUnknown":
      return `Nothing was removed, since nobody knows which snapshots are still needed: ` +
        describeError(error.because);
    case "FilesUnknown":
      return describeFilesUnknown(error);
    case "PruneUnfinished":
      return describePruneUnfinished(error);
    case "StepPassed":
      return `Run "${error.run}" is at step ${error.step} already, beyond --until ${error.until}. ` +
        "Ask for a later step.";
    case "StepsOutside": {
      const { run, from, to, first, head } = error;
      return `Run "${run}" cannot be replayed from step ${from} to ${to}: it goes from step ` +
        `${first} to ${head}. Expected two steps of it in this order, the first before its last.`;
    }
    case "TaskUnusable":
      return `No task can be had from "${error.export}" of ${error.module}: ${error.reason}. ` +
        "Expected a module that exports by this name a task, or a function from a config to one.";
    case "WorkerFailed":
      return `The worker that recomputed the steps ${error.from + 1} to ${error.to} of run ` +
        `"${error.run}" failed: ${error.reason}. Try again with one worker, which recomputes them ` +
        "in the main thread.";
    case "NoSuchStep":
      return `Run "${error.run}" has no step ${error.step}: expected one from ${error.from} to ` +
        `${error.to}.`;
    case "NoSuchSnapshot":
      return `Run "${error.run}" keeps no snapshot of step ${error.step} that can be read. ` +
        `\`foldlog materialize ${error.run}@${error.step}\` makes one by recomputation. ` +
        (error.steps.length === 0
          ? "There is no step of which both runs keep one."
          : `Both runs keep those of steps ${error.steps.join(", ")}.`);
    case "StopwatchMissing":
      return `save.maxReplaySeconds is ${error.maxReplaySeconds}, which spaces snapshots by measured ` +
        "time: expected the environment of the training to have a `stopwatch`, found none. Give it " +
        "one (`systemStopwatch`), or set save.maxReplaySeconds to 0 for snapshots every save.every steps.";
    case "DeviceMemoryFull":
      return describeDeviceMemory(error);
    case "TaskFailed":
      return `The task failed after step ${error.step}: ${error.message}. ` +
        "Mend it and run the same command again: it goes on from there.";
    case "ProbeFailed":
      return `The probe failed at step ${error.step}: ${error.message}. ` +
        "Mend it and ask again; the run is as it was.";
    case "DataFileUnusable":
      return `Cannot ${error.action} at ${error.place}: ${error.reason}.`;
    case "FileExists":
      return `${error.place} is there already, and has other contents: nothing was overwritten. ` +
        "Name another file with --out, or move that one away.";
    case "FileUnavailable":
      return `Cannot ${error.action} at ${error.place}: ${error.reason}. ` +
        "Check the path, its permissions and the free space; --out names another file.";
    default:
      return error satisfies never;
  }
}

function describeDeviceMemory(
  { step, device, asked, used, limit }: Extract<RunError, { type: "DeviceMemoryFull" }>,
): string {
  const when = step === 0 ? "before the first step was done" : `after step ${step}`;
  return `The memory of ${device} is full ${when}: tensors take ${inWords(used)}, and another ` +
    `${inWords(asked)} were asked for, of ${inWords(limit)} that it can have. A step needs the ` +
    "parameters and the state of the optimiser twice, before and after, gradients, and what batch.micro " +
    "samples take on the way. Try a smaller batch.micro or context, an optimiser that keeps less " +
    "(optimizer.name=lion or adafactor), clip.norm=0, a smaller model, or --backend webgpu.";
}

function inWords(bytes: number): string {
  if (bytes < 2 ** 20) return `${bytes} bytes`;
  return bytes < 2 ** 30
    ? `${(bytes / 2 ** 20).toFixed(1)} MiB`
    : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

function describeConfigDiffers(
  { run, changes }: Extract<RunError, { type: "ConfigDiffers" }>,
): string {
  const lines = changes.map(({ path, recorded, asked }) =>
    `  ${path}: recorded ${recorded ?? "nothing"}, asked for ${asked}`
  );
  const fixed = changes.filter((change) => change.class === "architecture");
  const remedy = fixed.length > 0
    ? `${
      fixed.map(({ path }) => path).join(", ")
    } cannot change in a run: its state is made for what is ` +
      "recorded. Leave it out, start another run with --run NAME, or take the weights alone into a new " +
      `training where they fit (foldlog fork ${run} --weights-only).`
    : "Leave them out to continue it as it is, start another run with --run NAME, or change them from " +
      `here on, which is recorded (foldlog resume ${run} --set PATH=VALUE).`;
  return `Run "${run}" has other settings:\n${lines.join("\n")}\n${remedy}` +
    (changes.some(({ path }) => path === "batch.micro") ? MICRO_REMEDY : "");
}

function describeFilesUnknown(
  { run, step, because }: Extract<RunError, { type: "FilesUnknown" }>,
): string {
  const whose = run === undefined ? "an archived run" : `run "${run}"`;
  const found =
    `Nothing was removed, since nobody knows which files the snapshot of step ${step} of ` +
    `${whose} needs. ${describeSnapshotError(because)}`;
  if (because.type === "NewerSnapshot") return found;
  if (run === undefined) {
    return `${found}. Move the archived run back into the store to repair it, or away from it.`;
  }
  return `${found}. \`foldlog verify ${run} --repair\` makes it anew, and a \`foldlog prune ${run}\` ` +
    "whose rules do not keep it lets it go.";
}

function describePruneUnfinished(
  { run, steps, because }: Extract<RunError, { type: "PruneUnfinished" }>,
): string {
  const reason = describeError(because);
  if (steps.length === 0) {
    return `Nothing of run "${run}" was pruned: its log could not be told. ${reason} ` +
      "Where the disk is full, `foldlog gc` frees what no run needs and what crashes left, without " +
      "writing anything; then prune again.";
  }
  return `The log of run "${run}" says that its snapshots of steps ${
    steps.join(", ")
  } are pruned; ` +
    `what they take is not freed yet. ${reason} When that is mended, prune again: it finishes this.`;
}

/** A LogError for people. */
export function describeLogError(error: LogError): string {
  switch (error.type) {
    case "VersionConflict":
      return `Cannot append to run "${error.run}": expected version ${error.expected}, ` +
        `the log is at ${error.actual}: someone else wrote to it.`;
    case "RunLocked":
      return `Run "${error.run}" is being written by ${error.holder}. ` +
        "Wait for it or stop it, or start another run with --run NAME.";
    case "LogDamaged":
      return `The log of run "${error.run}" is damaged at position ${error.position} ` +
        `(${error.place}): ${error.reason}. Restore the file from a backup; nothing was changed.` +
        (error.withoutBackup === undefined ? "" : ` Without a backup, ${error.withoutBackup}.`);
    case "NewerLog":
      return `Run "${error.run}" was written by a newer foldlog (${error.place}): format ` +
        `${error.found}, this one knows up to ${error.known}. Update foldlog to read it.`;
    case "LogUnavailable":
      return `Cannot ${error.action} at ${error.place}: ${error.reason}. ` +
        "Check the path, its permissions and the free space; `--runs DIR` names another place.";
  }
}

/** A SnapshotError for people. */
export function describeSnapshotError(error: SnapshotError): string {
  switch (error.type) {
    case "SnapshotMissing":
      return `Snapshot ${short(error.id)} is missing: expected ${error.place}`;
    case "SnapshotDamaged":
      return `Snapshot ${short(error.id)} is damaged (${error.place}): ${error.reason}`;
    case "NewerSnapshot":
      return `Snapshot ${
        short(error.id)
      } was written by a newer foldlog (${error.place}): format ` +
        `${error.found}, this one knows up to ${error.known}. Update foldlog to read it.`;
    case "SnapshotsUnavailable":
      return `Cannot ${error.action} at ${error.place}: ${error.reason}. ` +
        "Check the path, its permissions and the free space.";
  }
}

/** A SettingError for people. */
export function describeSettingError(error: SettingError): string {
  switch (error.type) {
    case "BadAssignment":
      return `Expected a setting as path=value, found "${error.found}", such as ` +
        "optimizer.learningRate=0.001.";
    case "UnknownSetting":
      return `There is no setting "${error.path}".${didYouMean(error.near)} ` +
        "`foldlog train --list` shows the settings.";
    case "BadSetting":
      return `Expected ${error.path} to be ${error.expected}, found "${error.found}".`;
  }
}

function describeDecideError(error: DecideError): string {
  switch (error.type) {
    case "WrongStatus":
      return `Cannot ${error.command} a run that is ${error.actual}: ` +
        `expected it to be ${error.expected.join(" or ")}.`;
    case "WrongStep":
      return `Cannot ${error.command} at step ${error.actual}: expected step ${error.expected}.`;
    case "EnvironmentChanged":
      return `The run was computed in another environment, where the same bits cannot be ` +
        `promised:\n${changesInWords(error.changes)}\nContinue it there (--backend chooses the ` +
        "backend), or with --accept-environment, which records that exactness ends here.";
  }
}

/** Changes of an environment: a line each. */
function changesInWords(changes: readonly EnvironmentChange[]): string {
  const kernels = changes.flatMap(({ kernel = [] }) => kernel);
  return [
    ...changes.filter(({ kernel }) => kernel === undefined).map(
      ({ member, recorded, current }) => `  ${member}: recorded "${recorded}", now "${current}"`,
    ),
    ...(kernels.length > 0 ? [`  kernels compute other bits here: ${listed(kernels)}`] : []),
  ].join("\n");
}

/** What helps where another `batch.micro` would change the sums: said of runs without a grain. */
const MICRO_REMEDY =
  " Gradients are added over passes of batch.micro samples. A run that is started " +
  "with a batch.grain, a divisor of each batch.micro that it may need, can be continued with any of them.";

/** The first few of many names. */
function listed(names: readonly string[]): string {
  const more = names.length - 5;
  return names.slice(0, 5).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function describeDivergence(
  { step, expected, actual, members, leaves, environment = [] }: Divergence,
): string {
  const before = expected.data as unknown as Readonly<Record<string, unknown>>;
  const after = actual.data as unknown as Readonly<Record<string, unknown>>;
  const lines = members.map((member) =>
    member === "type"
      ? `  event: recorded ${expected.type}, recomputed ${actual.type}`
      : `  ${member}: recorded ${shown(before[member])}, recomputed ${shown(after[member])}`
  );
  const cause = members.includes("batch")
    ? "The batch is another one: the data or its order changed. Bring it back and try again."
    : "The batch was the same: the state, the code, the arithmetic or the log itself changed. Go back " +
      "to the code and the environment that the run was computed with, or go on as a fork from where " +
      "all is exact (foldlog resume RUN --on-divergence fork).";
  const tensors = leaves.length > 0 ? `\nTensors that differ: ${leaves.join(", ")}` : "";
  const changed = environment.length > 0
    ? `\nThe environment is another one than recorded:\n${changesInWords(environment)}`
    : "";
  return `Step ${step} is not what the log recorded; nothing was added to the log.\n` +
    `${lines.join("\n")}${tensors}${changed}\n${cause}`;
}

/** A member of an event; of an object its JSON. */
function shown(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The first digits of a digest, enough for people to tell it from others. */
export function short(digest: string): string {
  return digest.slice(0, 12);
}

/** The checkpoints that a run has, as far as a message has room for them. */
function checkpointsText(
  { run, checkpoints = [] }: Extract<RunError, { readonly type: "NoPlace" }>,
): string {
  const shown = checkpoints.slice(-10);
  const more = checkpoints.length - shown.length;
  return (shown.length === 0
    ? ""
    : `Its checkpoints are ${more === 0 ? "" : `${more} more and `}${shown.join(", ")}. `) +
    `\`foldlog checkpoints ${run}\` and \`foldlog log ${run}\` list what it has.`;
}
