import * as E from "fp-ts/Either.js";
import { decide } from "../../core/decide.ts";
import type { RunStarted } from "../../core/event.ts";
import { initialState } from "../../core/evolve.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunOrigin } from "../../core/run_origin.ts";
import type { Snapshot, SnapshotId } from "../../core/snapshot.ts";
import { type Await, fail } from "../../ports/attempt.ts";
import { foldOf } from "../../ports/fold_log.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { RunError } from "../errors/errors.ts";
import { storingCode } from "../training/code_appender.ts";
import { appenderOf } from "../training/log_appender.ts";
import type { Plan } from "../training/plan.ts";
import { startedData } from "../training/start_run.ts";

/** A run that is about to begin with a state that its seed does not determine. */
export interface BegunRun {
  readonly run: RunId;
  readonly plan: Plan;
  /** The state that it begins with. */
  readonly snapshot: Snapshot;
}

/**
 * Stores the state that a run begins with, and then records its beginning, with the origin that `originOf`
 * makes. Fails with RunExists where the run is there by now.
 */
export async function beginWith<Origin extends RunOrigin>(
  env: RunEnv,
  { run, plan, snapshot }: BegunRun,
  get: Await<RunError>,
  originOf: (snapshot: SnapshotId) => Origin,
): Promise<Origin> {
  const { snapshots } = env.store;
  const stored = await get(snapshots.put(undefined, snapshot));
  try {
    const origin = originOf(stored.id);
    await record(env, run, { ...startedData(env, plan, stored.manifest.state), origin }, get);
    // The view of it is derived: where it cannot be made the run is there all the same.
    const shown = await snapshots.put(run, { ...snapshot, groups: stored.groups })();
    if (E.isRight(shown)) shown.right.release();
    return origin;
  } finally {
    stored.release();
  }
}

async function record(
  { store, code }: RunEnv,
  run: RunId,
  data: RunStarted["data"],
  get: Await<RunError>,
): Promise<void> {
  const writer = await get(store.log.open(run));
  try {
    const { version, step } = foldOf(writer.contents);
    if (version > 0) fail({ type: "RunExists", run, step });
    const events = decide({ type: "StartRun", data }, initialState);
    if (E.isLeft(events)) return fail(events.left);
    const log = storingCode(appenderOf(writer), store.sources, code, get);
    await log.append(events.right);
    await log.flush();
  } finally {
    await writer.close()();
  }
}
