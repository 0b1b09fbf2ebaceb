import * as E from "fp-ts/Either.js";
import type { Digest } from "../../core/digest.ts";
import { samplesShown } from "../../core/sample_files.ts";
import { attempt, type Await, fail } from "../../ports/attempt.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { Store } from "../../ports/store.ts";
import type { TaskSource } from "../../ports/task.ts";
import { release } from "../../train/ownership.ts";
import { tensorsOf } from "../../train/train_state.ts";
import { describeError } from "../errors/describe_error.ts";
import type { RunError } from "../errors/errors.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { reachState } from "../replay/reach_state.ts";
import { ofTask } from "../training/step_loop.ts";
import { takeSamples } from "../training/take_samples.ts";
import { lostSamples } from "./check_samples.ts";
import type { Problem } from "./verify_run.ts";

/** What became of the samples of a run. */
export interface MendedSamples {
  /** What was made anew: a line each. */
  readonly mended: readonly string[];
  /** Why samples could not be made anew. */
  readonly problems: readonly Problem[];
}

/**
 * Makes the samples of a run anew that are lost, each evaluation's by the task from the state of its step,
 * which is reached as a replay reaches it; then what is shown of the samples that can be read. `branchAt`
 * gives the branch that has the event at a position.
 */
export async function mendSamples(
  store: Store,
  recorded: RecordedRun,
  branchAt: (position: number) => RecordedRun,
  means: () => Promise<Omit<RunEnv, "store"> & { readonly task: TaskSource }>,
  get: Await<RunError>,
): Promise<MendedSamples> {
  const { run, events } = recorded;
  const [mended, problems]: [string[], Problem[]] = [[], []];
  const lost = await lostSamples(store, events);
  for (const position of new Set(lost.map(({ position }) => position))) {
    const { step } = lost.find((one) => one.position === position)!.event.data;
    const { task, ...others } = await means();
    await others.device.activate();
    const made = await attempt<RunError, ReadonlySet<Digest>>((get) =>
      remake({ ...others, store }, branchAt(position), task, step, get)
    )();
    if (E.isLeft(made)) {
      if (made.left.type !== "Diverged") return fail(made.left);
      problems.push({ type: "Diverged", step, message: describeError(made.left) });
      continue;
    }
    for (const { sample } of lost.filter((one) => one.position === position)) {
      if (made.right.has(sample.digest)) mended.push(`${sample.name}: made anew, as recorded`);
    }
  }
  const unreadable = new Set((await lostSamples(store, events)).map(({ sample }) => sample.digest));
  const live = samplesShown(events).filter(({ digest }) => !unreadable.has(digest));
  const before = await get(store.samples.check(run, live));
  const showing = await store.samples.show(run, live)();
  if (E.isLeft(showing)) {
    problems.push({ type: "ViewDiffers", message: describeError(showing.left) });
  }
  const after = await get(store.samples.check(run, live));
  const shown = before.filter((flaw) => !after.includes(flaw));
  return { mended: [...mended, ...shown.map((flaw) => `${flaw}: made anew`)], problems };
}

/** Stores the samples of a step again, whatever they are; only those that are named are ever read. */
async function remake(
  env: RunEnv,
  branch: RecordedRun,
  task: TaskSource,
  step: number,
  get: Await<RunError>,
): Promise<ReadonlySet<Digest>> {
  const { state, plan } = await reachState(env, branch, task, step, get);
  try {
    const taken = await ofTask(step, () => takeSamples(plan, env.device, state));
    const stored = await get(env.store.sources.put(taken?.files ?? []));
    stored.release();
    return new Set(stored.digests);
  } finally {
    release(tensorsOf(state));
  }
}
