import { scheduleSteps } from "../../core/config.ts";
import { settings } from "../../core/config_path.ts";
import type { RunState } from "../../core/run_state.ts";
import { settingChanges } from "../../core/setting_class.ts";
import { type EnvironmentDifference, environmentDifference } from "./environment_difference.ts";
import { differingEntries, type EntryDifference } from "./event_difference.ts";

/** In what two runs differ of what their trainings depend on, by what they say themselves. */
export interface PremiseDifference {
  /** Settings that differ, by path. */
  readonly config: readonly EntryDifference[];
  readonly environment: EnvironmentDifference;
  /** What differs of `task`, `data`, `heldOut`, `code` (digest of its manifest) and `leftOut`. */
  readonly identity: readonly EntryDifference[];
}

/** In what the premises of two runs differ, at the places that the states are the folds of. */
export function premiseDifference(a: RunState, b: RunState): PremiseDifference {
  return {
    config: differingEntries(entriesOf(a), entriesOf(b)),
    environment: environmentDifference(a.environment!, b.environment!),
    identity: differingEntries(identityOf(a), identityOf(b)),
  };
}

/**
 * The premises on which the bits of a training depend and in which two runs differ, where both are computed by
 * the same code in the same environment: settings by path, and of `task`, `data`, `heldOut` and `leftOut`.
 */
export function explainingPremises(a: RunState, b: RunState): readonly string[] {
  const changed = [
    ...settingChanges(a.config!, b.config!),
    ...settingChanges(b.config!, a.config!),
  ];
  const config = changed.filter((change) => change.class !== "free").map(({ path }) => path);
  const length = scheduleLength(a) === scheduleLength(b) ? [] : ["steps.max"];
  const identity = differingEntries(identityOf(a), identityOf(b))
    .map(({ name }) => name)
    .filter((name) => name !== "code");
  return [...new Set([...identity, ...config, ...length])].sort();
}

/** The steps that the learning rate is spread over, where it is. */
function scheduleLength({ config }: RunState): number | undefined {
  const { name } = config!.schedule;
  return name === "cosine" || name === "warmupStableDecay" ? scheduleSteps(config!) : undefined;
}

function entriesOf({ config }: RunState): Readonly<Record<string, unknown>> {
  return Object.fromEntries(settings(config!));
}

function identityOf(
  { task, data, heldOut, code, origin }: RunState,
): Readonly<Record<string, unknown>> {
  return { task, data, heldOut, code, leftOut: origin?.leftOut };
}
