import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { CodeIdentity } from "../../codec/code_identity.ts";
import { abandonedBranches, livePath } from "../../core/live_path.ts";
import type { RunId } from "../../core/run_id.ts";
import type { SnapshotRef } from "../../core/run_state.ts";
import type { SnapshotId } from "../../core/snapshot.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { Device } from "../../ports/device.ts";
import type { Reporter } from "../../ports/reporter.ts";
import type { Store } from "../../ports/store.ts";
import type { TaskSource } from "../../ports/task.ts";
import { codeChange } from "../training/check_code.ts";
import { branchOfRun } from "../reading/branch_of_run.ts";
import { checkSnapshot } from "./check_snapshot.ts";
import { describeError } from "../errors/describe_error.ts";
import type { CodeDiffers, RunError } from "../errors/errors.ts";
import { hidePruned } from "./hide_pruned.ts";
import { type MendedSamples, mendSamples } from "./mend_samples.ts";
import { type MendedViews, mendViews } from "./mend_views.ts";
import { readRun, type RecordedRun } from "../reading/read_run.ts";
import { recreateSnapshot } from "../replay/recreate_snapshot.ts";
import { lostCode } from "../reading/run_code.ts";
import { type Problem, type VerifyReport, verifyRun } from "./verify_run.ts";

/** What a repair did, and what a verification found afterwards. */
export interface RepairReport extends VerifyReport {
  readonly repaired: {
    /** Samples, and what is derived from the log, that were not as the log says and were made anew: a line each. */
    readonly derived: readonly string[];
    /** Snapshots that were missing or damaged, and are there again, with the same bits. */
    readonly snapshots: readonly { readonly step: number; readonly id: SnapshotId }[];
  };
}

/** What recomputes: asked for only where a snapshot has to be. */
export interface RepairMeans {
  readonly device: Device;
  readonly task: TaskSource;
  readonly reporter?: Reporter;
  /** As in RunEnv: where it is another one than the run's, the report says in what. */
  readonly code?: CodeIdentity;
}

/**
 * Makes anew what a run's log lets make anew: what is derived from it, the views of its snapshots and
 * samples, and by recomputation the snapshots and samples that are missing or damaged. The log's events are never touched; where
 * they are damaged, nothing is done but said.
 *
 * Every recomputed step is compared; a difference ends the repair, as a problem of the report. Fails
 * with RunLocked while someone trains the run.
 */
export function repairRun(
  store: Store,
  run: RunId,
  means: () => Promise<RepairMeans>,
): TaskEither<RunError, RepairReport> {
  return attempt<RunError, RepairReport>(async (get) => {
    const before = await get(verifyRun(store, run));
    if (before.problems.some(({ type }) => type === "LogDamaged" || type === "HistoryFlawed")) {
      return { ...before, repaired: { derived: [], snapshots: [] } };
    }
    const derived = await get(store.log.rebuildDerived(run));
    let opened: Promise<RepairMeans> | undefined;
    const once = () => opened ??= means();
    const { lost, views, samples, diverged, otherCode } = await repair(store, run, once, get);
    const after = await get(verifyRun(store, run));
    const problems = [
      ...after.problems,
      ...views.problems,
      ...samples.problems,
      ...(diverged ? [diverged] : []),
    ];
    const snapshots = lost
      .filter(({ step }) => !problems.some((problem) => problem.step === step))
      .map(({ step, snapshot }) => ({ step, id: snapshot }));
    const repaired = { derived: [...derived, ...views.mended, ...samples.mended], snapshots };
    const code = otherCode && { otherCode };
    return { ...after, ...code, ok: problems.length === 0, problems, repaired };
  });
}

/** The snapshots that were lost, and the difference at which the recomputation of them ended. */
interface Repair {
  readonly lost: readonly SnapshotRef[];
  readonly views: MendedViews;
  readonly samples: MendedSamples;
  readonly diverged: Problem | undefined;
  readonly otherCode?: CodeDiffers | undefined;
}

async function repair(
  store: Store,
  run: RunId,
  means: () => Promise<RepairMeans>,
  get: Await<RunError>,
): Promise<Repair> {
  const writer = await get(store.log.open(run));
  try {
    const recorded = await get(readRun(store, run));
    const [readable, lost]: [SnapshotRef[], Lost[]] = [[], []];
    for (const ref of recorded.state.snapshots) {
      const flaw = await get(checkSnapshot(store, ref));
      if (flaw === undefined) readable.push(ref);
      else if (flaw.type === "SnapshotUnreadable") lost.push({ ref, recorded });
    }
    for (const ref of recorded.state.abandoned ?? []) {
      const flaw = await get(checkSnapshot(store, ref));
      if (flaw?.type === "SnapshotUnreadable") {
        lost.push({ ref, recorded: branchWith(recorded, ref) });
      }
    }
    await hidePruned(store, run, recorded.events.map(({ event }) => event), get);
    const views = await mendViews(store, run, readable, get);
    await storeCode(store, recorded, means, get);
    const made = await recreate(store, recorded, lost, means);
    // What was made anew of a branch that the run has left is not what its view is to show.
    if (lost.some(({ recorded: { events } }) => events !== recorded.events)) {
      await mendViews(store, run, readable, get);
    }
    const branchAt = (position: number) => branchWithEvent(recorded, position);
    const samples = made.diverged === undefined
      ? await mendSamples(store, recorded, branchAt, means, get)
      : { mended: [], problems: [] };
    return { lost: lost.map(({ ref }) => ref), views, samples, ...made };
  } finally {
    await writer.close()();
  }
}

/** A snapshot that was lost, and the branch of its run that it is of. */
interface Lost {
  readonly ref: SnapshotRef;
  readonly recorded: RecordedRun;
}

/** The branch that a run has left and that has this snapshot. */
function branchWith(recorded: RecordedRun, { step, snapshot }: SnapshotRef): RecordedRun {
  const branches = abandonedBranches(recorded.events).map((_, index) =>
    branchOfRun(recorded, index + 1)
  );
  return branches.find(({ state }) =>
    state.snapshots.some((ref) => ref.step === step && ref.snapshot === snapshot)
  ) ?? recorded;
}

/** The branch of a run, live or left, that has the event at a position. */
function branchWithEvent(recorded: RecordedRun, position: number): RecordedRun {
  if (livePath(recorded.events).some((placed) => placed.position === position)) return recorded;
  const index = abandonedBranches(recorded.events).findIndex(({ path }) =>
    path.some((placed) => placed.position === position)
  );
  return branchOfRun(recorded, index + 1);
}

/** Code that was lost is stored again where it is the code that is here. */
async function storeCode(
  store: Store,
  { state }: RecordedRun,
  means: () => Promise<RepairMeans>,
  get: Await<RunError>,
): Promise<void> {
  const lost = await get(lostCode(store, state));
  if (lost.size === 0) return;
  const { code } = await means();
  if (code === undefined || !lost.has(code.digest)) return;
  const { release } = await get(store.sources.put(code.objects));
  release();
}

/** From the oldest on: each is a state from which the next can be recomputed. */
async function recreate(
  store: Store,
  recorded: RecordedRun,
  lost: readonly Lost[],
  means: () => Promise<RepairMeans>,
): Promise<Pick<Repair, "diverged" | "otherCode">> {
  if (lost.length === 0) return { diverged: undefined };
  const { task, ...others } = await means();
  const env = { store, ...others };
  await env.device.activate();
  const otherCode = await codeChange(env, recorded.run, recorded.state);
  for (const { ref, recorded } of lost) {
    const result = await attempt<RunError, void>((get) =>
      recreateSnapshot(env, recorded, task, ref, get)
    )();
    if (E.isRight(result)) continue;
    const error = result.left;
    if (error.type !== "Diverged") return fail(error);
    const { step } = error;
    return { diverged: { type: "Diverged", step, message: describeError(error) }, otherCode };
  }
  return { diverged: undefined, otherCode };
}
