import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { historyDigest, NO_HISTORY } from "../../codec/history_digest.ts";
import type { Digest } from "../../core/digest.ts";
import { isStep, type RunEvent } from "../../core/event.ts";
import { evolve, initialState } from "../../core/evolve.ts";
import { historyFlaw } from "../../core/history_flaw.ts";
import type { RunId } from "../../core/run_id.ts";
import { historyOfOrigin } from "../../core/run_origin.ts";
import { keptSnapshots, ownSteps, type SnapshotRef } from "../../core/run_state.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { LogError, TornTail } from "../../ports/event_log.ts";
import type { Store } from "../../ports/store.ts";
import { foldOf } from "../../ports/fold_log.ts";
import { samplesShown } from "../../core/sample_files.ts";
import { lostSamples } from "./check_samples.ts";
import { checkSnapshot } from "./check_snapshot.ts";
import { describeError } from "../errors/describe_error.ts";
import type { CodeDiffers, RunError } from "../errors/errors.ts";
import { readRun } from "../reading/read_run.ts";
import type { SegmentReplay } from "../replay/replay_segment.ts";
import { lostCode } from "../reading/run_code.ts";
import { type UnnamedView, unnamedViews } from "./unnamed_views.ts";

/** What a verification found. */
export interface VerifyReport {
  readonly ok: boolean;
  readonly run: RunId;
  /** Events whose digest and place in the chain were checked. */
  readonly events: number;
  /** Steps that the log holds, each once and in order. */
  readonly steps: number;
  /** Snapshots whose every byte was checked. */
  readonly snapshots: number;
  /** Samples of evaluations whose every byte was checked. */
  readonly samples: number;
  /** Present when steps were recomputed. */
  readonly replay?: ReplayReport;
  /** Present when steps were recomputed by other code than the run's: in what it differs. */
  readonly otherCode?: CodeDiffers;
  /** A last line that was never acknowledged: no fault, and cut off when the run goes on. */
  readonly torn?: TornTail;
  readonly problems: readonly Problem[];
}

/** What was recomputed of a run. */
export interface ReplayReport {
  /** Steps that are as recorded. */
  readonly steps: number;
  /** Events that are as recorded, and those of them that have a fingerprint of the state. */
  readonly compared: number;
  readonly fingerprints: number;
  /** In the order of their steps. */
  readonly segments: readonly SegmentReplay[];
  /** How many segments there were, where some were taken at random. */
  readonly of?: number;
  /**
   * The chance that one forged segment is among those: their number over `of`. `chanceOfCatching` has
   * the formula for several.
   */
  readonly chance?: number;
}

/** Something that is not as it should be. */
export interface Problem {
  readonly type:
    | "LogDamaged"
    | "HistoryFlawed"
    | "SnapshotUnreadable"
    | "SnapshotDiffers"
    | "CodeUnreadable"
    | "SampleUnreadable"
    | "DerivedDiffers"
    | "ViewDiffers"
    | "ViewUnnamed"
    | "Diverged";
  /** The first step that is wrong, where one can be named. */
  readonly step?: number;
  readonly position?: number;
  /** The tensors that differ, as "group/path", where they are known. */
  readonly leaves?: readonly string[];
  readonly message: string;
}

/**
 * Checks a run's integrity: the digest and link of every event, the order of its history, every byte of
 * every snapshot that its log names and the history that it commits to, the code, the samples, and what is
 * derived from the log. Reads everything, writes nothing.
 */
export function verifyRun(store: Store, run: RunId): TaskEither<RunError, VerifyReport> {
  return attempt<RunError, VerifyReport>(async (get) => {
    const read = await readRun(store, run)();
    if (E.isLeft(read)) {
      if (read.left.type === "LogDamaged") return damagedReport(run, read.left);
      return fail(read.left);
    }
    const { state, torn } = read.right;
    const events = read.right.events.map(({ event }) => event);
    const problems: Problem[] = [];
    const flaw = historyFlaw(events);
    if (flaw !== undefined) {
      const { position, reason } = flaw;
      const message = `History is wrong at position ${position}: ${reason}`;
      problems.push({ type: "HistoryFlawed", step: stepAt(events, position), position, message });
    }
    const { histories, lie } = historiesAt(events);
    if (lie !== undefined && flaw === undefined) {
      const message =
        `History is wrong at position ${lie}: expected RunRewound to go back to the ` +
        "history up to its position, found another";
      problems.push({ type: "HistoryFlawed", step: stepAt(events, lie), position: lie, message });
    }
    const kept = keptSnapshots(state);
    for (const ref of kept) {
      const history = ref.reason === "forked"
        ? historyOfOrigin(state.origin!)
        : histories[ref.position];
      const problem = await get(checkSnapshot(store, ref, history));
      if (problem !== undefined && await isKept(store, run, ref)) problems.push(problem);
    }
    for (const lost of (await get(lostCode(store, state))).values()) {
      const message = `Code of the run is lost: ${describeError(lost)} ` +
        `\`foldlog verify ${run} --repair\` stores it again where that code is.`;
      problems.push({ type: "CodeUnreadable", message });
    }
    const lost = await lostSamples(store, read.right.events);
    for (const { event: { data: { step } }, sample, reason } of lost) {
      const message = `Sample ${sample.name} of step ${step} is lost: ${reason} ` +
        `\`foldlog verify ${run} --repair\` computes it again.`;
      problems.push({ type: "SampleUnreadable", step, message });
    }
    const derived = await store.log.checkDerived(run)();
    if (E.isLeft(derived)) {
      if (derived.left.type === "LogDamaged") return damagedReport(run, derived.left);
      return fail(derived.left);
    }
    const again = `\`foldlog verify ${run} --repair\` makes it anew.`;
    for (const found of derived.right) {
      problems.push({ type: "DerivedDiffers", message: `${found}. ${again}` });
    }
    for (const found of await get(store.snapshots.checkView(run, state.snapshots))) {
      problems.push({ type: "ViewDiffers", message: `${found}. ${again}` });
    }
    for (const found of await get(store.samples.check(run, samplesShown(read.right.events)))) {
      problems.push({ type: "ViewDiffers", message: `${found}. ${again}` });
    }
    for (const view of await get(unnamedViews(store, run))) {
      problems.push({ type: "ViewUnnamed", step: view.step, message: describeUnnamed(run, view) });
    }
    return {
      ok: problems.length === 0,
      run,
      events: events.length,
      steps: ownSteps(state),
      snapshots: kept.length,
      samples: state.sampleFiles?.length ?? 0,
      ...(torn && { torn }),
      problems,
    };
  });
}

/** The step that the event at a position is to be of: the next one where it is a step's. */
function stepAt(events: readonly RunEvent[], position: number): number {
  const { step } = events.slice(0, position).reduce(evolve, initialState);
  return isStep(events[position]!) ? step + 1 : step;
}

/** Whether a snapshot was not pruned while the run was verified. */
async function isKept(store: Store, run: RunId, { position }: SnapshotRef): Promise<boolean> {
  const now = await store.log.recent(run)();
  return E.isLeft(now) || keptSnapshots(foldOf(now.right)).some((ref) => ref.position === position);
}

/**
 * The digest of the history at each event, where a snapshot adds nothing to the one before it; and the
 * position of the first RunRewound that lies of the history that it goes back to.
 */
function historiesAt(
  events: readonly RunEvent[],
): { readonly histories: readonly Digest[]; readonly lie: number | undefined } {
  const histories: Digest[] = [];
  let lie: number | undefined;
  for (const [position, event] of events.entries()) {
    histories.push(historyDigest(histories.at(-1) ?? NO_HISTORY, event));
    if (event.type !== "RunRewound") continue;
    if (event.data.history !== histories[event.data.position - 1]) lie ??= position;
  }
  return { histories, lie };
}

function describeUnnamed(run: RunId, { step, place, head }: UnnamedView): string {
  if (step <= head) {
    return `${place} shows a snapshot of step ${step}, which the log has passed without naming one: ` +
      "a process was killed while it stored it. " +
      `\`foldlog verify ${run} --repair\` takes it out of the view; the step can be recomputed.`;
  }
  return `${place} shows a snapshot of step ${step}, and the log ends at step ${head}: the log has ` +
    "lost its end. Restore it from a backup; without one, continue the run, which computes the lost " +
    "steps again. Until then nothing of the snapshot is freed.";
}

function damagedReport(
  run: RunId,
  error: Extract<LogError, { type: "LogDamaged" }>,
): VerifyReport {
  const { position } = error; // the events before it were read, each link of them checked
  const problem = { type: "LogDamaged", position, message: describeError(error) } as const;
  return {
    ok: false,
    run,
    events: position,
    steps: 0,
    snapshots: 0,
    samples: 0,
    problems: [problem],
  };
}
