// @ts-types="@types/cli-progress"
import { Presets, SingleBar } from "cli-progress";
import { scheduleSteps } from "../core/config.ts";
import type { Notice, Reporter } from "../ports/reporter.ts";
import { counted } from "./counted.ts";
import { measuresText } from "./measures_text.ts";

/** Characters of the bar: with what is beside it, it fits a terminal of 80 columns. */
const BAR = 20;

/** Milliseconds between lines where there is no terminal. */
const LINE_EVERY = 5000;

/** How the progress of a training is shown. */
export interface ProgressOptions {
  readonly say: (line: string) => void;
  /** Standard output belongs to a program: no bar. */
  readonly json: boolean;
}

/** A reporter for people: a bar on a terminal, lines elsewhere. `close` takes the bar away. */
export function progressReporter(
  { say, json }: ProgressOptions,
): Reporter & { readonly close: () => void } {
  const terminal = Deno.stderr.isTerminal() && !json;
  const meter = terminal ? barMeter() : lineMeter(say);
  let resumingSince = 0;
  let replay: { readonly steps: number; done: number } | undefined;
  return {
    close: () => meter.stop(),
    report(notice) {
      switch (notice.type) {
        case "Step":
          // Segments are recomputed at once: what is counted is the work, not the place in the run.
          if (replay === undefined) return meter.step(notice);
          return meter.step({ ...notice, step: ++replay.done, maxSteps: replay.steps });
        case "Replaying":
          replay = { steps: notice.steps, done: 0 };
          return say(describe(notice));
        case "SegmentReplayed":
          if (notice.differs !== undefined) meter.stop();
          else if (terminal) return;
          return say(describe(notice));
        case "Resuming":
          resumingSince = performance.now();
          return say(resumingLine(notice));
        case "Resumed":
          meter.stop();
          if (notice.step === 0) return; // of a run that is there and has no step yet
          return say(resumedLines(notice, performance.now() - resumingSince));
        case "Saved":
        case "Skipped":
        case "Evaluated":
        case "Sampled":
          return terminal ? undefined : say(describe(notice));
        default:
          meter.stop();
          return say(describe(notice));
      }
    },
  };
}

type NoticeOf<Type extends Notice["type"]> = Extract<Notice, { type: Type }>;

/** Shows steps as they are taken. */
interface Meter {
  readonly step: (notice: NoticeOf<"Step">) => void;
  readonly stop: () => void;
}

function barMeter(): Meter {
  const format = "{bar} {value}/{total}  loss {loss}  lr {lr}  {rate} steps/s  ETA {left}{what}";
  let bar: SingleBar | undefined;
  let rate = rateFrom();
  return {
    step({ step, maxSteps, loss, learningRate, recorded }) {
      const payload = {
        loss: loss.toFixed(4),
        lr: learningRate.toPrecision(3),
        ...rateAndLeft(rate(step), maxSteps - step),
        what: recorded ? "" : "  (comparing with the log)",
      };
      if (bar === undefined) {
        bar = new SingleBar(
          { format, barsize: BAR, hideCursor: null, clearOnComplete: false },
          Presets.shades_classic,
        );
        bar.start(maxSteps, step, payload);
      } else bar.update(step, payload);
    },
    stop() {
      bar?.stop();
      bar = undefined;
      rate = rateFrom();
    },
  };
}

function lineMeter(say: (line: string) => void): Meter {
  let saidAt = performance.now();
  let rate = rateFrom();
  return {
    step({ step, maxSteps, loss, learningRate, recorded }) {
      const { rate: perSecond, left } = rateAndLeft(rate(step), maxSteps - step);
      const now = performance.now();
      if (now - saidAt < LINE_EVERY && step !== maxSteps) return;
      saidAt = now;
      say(
        `step ${step}/${maxSteps}  loss ${loss.toFixed(4)}  lr ${learningRate.toPrecision(3)}  ` +
          `${perSecond} steps/s  ETA ${left}` +
          (recorded ? "" : "  (comparing with the log)"),
      );
    },
    stop: () => void (rate = rateFrom()),
  };
}

/** Steps a second and the time that so many more take, for people; of one step nobody knows. */
function rateAndLeft(
  perSecond: number | undefined,
  steps: number,
): Readonly<Record<"rate" | "left", string>> {
  if (perSecond === undefined) return { rate: "-", left: "-" };
  return { rate: perSecond.toFixed(1), left: inWords(Math.round(steps / perSecond)) };
}

/** A time for people: 42s, 3m05s, 2h07m. */
function inWords(seconds: number): string {
  const two = (count: number) => String(Math.floor(count)).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  return seconds < 3600
    ? `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
    : `${Math.floor(seconds / 3600)}h${two(seconds % 3600 / 60)}m`;
}

/** Steps a second since the first step that it is told of; undefined until there is another. */
function rateFrom(): (step: number) => number | undefined {
  let start: { readonly step: number; readonly at: number } | undefined;
  return (step) => {
    const at = performance.now();
    start ??= { step, at };
    return step > start.step && at > start.at
      ? (step - start.step) / ((at - start.at) / 1000)
      : undefined;
  };
}

function resumingLine({ run, snapshot, head, maxSteps }: NoticeOf<"Resuming">): string {
  if (head === 0) return `run "${run}": ${maxSteps} steps, from its initial state on`;
  const from = snapshot === 0 ? "the initial state" : `the snapshot of step ${snapshot}`;
  const work = head > snapshot
    ? `; recomputing ${stepsFrom(snapshot + 1, head)} and comparing ` +
      `${head === snapshot + 1 ? "it" : "them"} with the log`
    : "";
  return `resuming "${run}" at step ${head} of ${maxSteps}: loaded ${from}${work}`;
}

function resumedLines(notice: NoticeOf<"Resumed">, milliseconds: number): string {
  const { step, epoch, files, recomputed, compared, fingerprints, history, best } = notice;
  const proof = recomputed === 0
    ? "nothing to recompute: the snapshot is of this step"
    : `recomputed ${counted(recomputed, "step")}, compared ${counted(compared, "event")} and ` +
      `${counted(fingerprints, "fingerprint")} of the state: all equal, bit for bit`;
  return `${proof} (${(milliseconds / 1000).toFixed(1)} s)\n` +
    `Resumed at global_step=${step}, epoch ${epoch}, ` +
    (files === undefined ? "" : `files ${files.done} of ${files.of}, `) +
    `best loss ${best === undefined ? "-" : `${best.loss.toFixed(4)} at step ${best.step}`}, ` +
    `${history} steps in the history`;
}

function stepsFrom(first: number, last: number): string {
  return first === last ? `step ${last}` : `steps ${first} to ${last}`;
}

/** The settings that were changed after the step that a run goes back to. */
function undoneText({ undone }: NoticeOf<"Rewound">): string {
  const changes = undone.map(({ path, recorded, asked }) => `${path} ${recorded} -> ${asked}`);
  return changes.length === 0 ? "" : `; its settings are those of then: ${changes.join(", ")}`;
}

function changedLine({ step, change, config }: NoticeOf<"Changed">): string {
  const changes = change.changes.map(({ path, recorded, asked }) =>
    `${path} ${recorded} -> ${asked}`
  );
  const schedule = change.schedule === undefined
    ? ""
    : `; the schedule ${change.schedule === "keep" ? "keeps" : "is stretched to"} its length of ` +
      `${scheduleSteps(config)} steps`;
  const passes = change.changes.some(({ path }) => path === "batch.micro")
    ? "; gradients are added over other passes, and the bits are others from there on"
    : "";
  return `from step ${step} on: ${changes.join(", ")}${schedule}${passes} (recorded)`;
}

function describe(notice: Exclude<Notice, NoticeOf<"Step" | "Resuming" | "Resumed">>): string {
  switch (notice.type) {
    case "Started":
      return `run "${notice.run}": ${notice.parameters.toLocaleString("en")} parameters, ` +
        `${notice.maxSteps} steps`;
    case "TailCut":
      return `the log's last line was torn (${notice.torn.bytes} bytes at ${notice.torn.place}): ` +
        "cut off; it was never acknowledged";
    case "MicroPasses":
      return `batch.micro ${notice.asked} gives the same bits as the recorded ${notice.recorded}: ` +
        `passes are over grains of ${notice.grain}. The recorded settings stay.`;
    case "Changed":
      return changedLine(notice);
    case "Rewound":
      return `gone back from step ${notice.head} to step ${notice.step}: what followed stays in the log, ` +
        "as a branch of its own" + undoneText(notice);
    case "Forked":
      return `step ${notice.divergence} could not be recomputed as recorded: going on as the fork ` +
        `"${notice.run}" from step ${notice.step}, up to which all is exact`;
    case "SnapshotSkipped":
      return `the snapshot of step ${notice.step} cannot be used: ${notice.reason}; ` +
        "going further back";
    case "Replaying": {
      const { run, segments, of, steps, workers } = notice;
      const taken = segments < of
        ? `${segments} of ${of} segments, taken at random`
        : counted(of, "segment");
      return `replaying "${run}": ${counted(steps, "step")} in ${taken}` +
        (workers > 1 ? `, ${workers} at once` : "");
    }
    case "SegmentReplayed": {
      const { from, to, compared, differs, done, of } = notice;
      return `segment ${done} of ${of}: ${stepsFrom(from + 1, to)}, ` +
        (differs === undefined
          ? `${counted(compared, "event")} compared: all equal`
          : `not as recorded from step ${differs} on`);
    }
    case "Evaluated":
      return `step ${notice.step}: evaluation loss ${notice.loss.toFixed(4)}` +
        (notice.emaLoss === undefined ? "" : `, of the average ${notice.emaLoss.toFixed(4)}`) +
        measuresText(notice.measures);
    case "Sampled": {
      const names = notice.samples.map(({ name }) => name).join(", ");
      return `step ${notice.step}: samples ${names} in ${notice.run}/validation_samples`;
    }
    case "Skipped":
      return `step ${notice.step}: skipped, its gradients are not finite at loss scale ` +
        `${notice.lossScale}; the next has half of that`;
    case "Saved":
      return `step ${notice.step}: saved snapshot ${notice.snapshot.slice(0, 12)}`;
    case "NothingPruned":
      return `warning: this training prunes no checkpoint: ${notice.reason}`;
    case "NothingFreed":
      return `warning: pruned checkpoints still take space: ${notice.reason} ` +
        "`foldlog gc` frees it when that is mended.";
    case "SaveFailed":
      return `warning: step ${notice.step} has no checkpoint: ${notice.reason} ` +
        "The training goes on; the steps after the last checkpoint can be recomputed.";
  }
}
