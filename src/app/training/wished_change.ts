import * as E from "fp-ts/Either.js";
import { checkConfig } from "../../core/check_config.ts";
import type { PartialConfig, RunConfig } from "../../core/config.ts";
import { changedValues, type ConfigChange, configChange } from "../../core/config_change.ts";
import { partialConfig, settings, withSettings } from "../../core/config_path.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import type { OwnClasses, SettingChange } from "../../core/setting_class.ts";
import { fail } from "../../ports/attempt.ts";
import type { Task } from "../../ports/task.ts";
import type { RunError } from "../errors/errors.ts";
import type { TrainOptions } from "./train_options.ts";

/** How the settings of a run are to change before it goes on. */
export interface WishedChange {
  /** What is to be recorded; absent where nothing changes. */
  readonly change?: ConfigChange;
  /** The config after it. */
  readonly config: RunConfig;
  /**
   * Changes that are let pass and not recorded: of `batch.micro`, where `batch.grain` says what a pass is
   * over.
   */
  readonly passing: readonly SettingChange[];
}

/**
 * How the settings of a run, which is in `state`, are to change for what is asked.
 *
 * A setting that changes bits is changed only where the options say that changes are to be recorded: it may
 * be a mistake in a script. What the state is made of never changes. Fails with ConfigDiffers, and with
 * BadSetting for a value that makes no sense in this run.
 */
export function wishedChange(
  run: RunId,
  state: RunState,
  asked: PartialConfig,
  { own = {}, options }: { readonly own?: OwnClasses; readonly options: TrainOptions },
): WishedChange {
  const recorded = state.config!;
  const choice = options.schedule ?? "keep";
  const all = configChange(recorded, asked, { own, choice });
  if (all === undefined) return { config: recorded, passing: [] };
  const regrained = all.changes.some(({ path }) => path === "batch.grain");
  const passing = all.changes.filter(({ path }) =>
    path === "batch.micro" && recorded.batch.grain > 0 && !(regrained && options.recordChanges)
  );
  passing.forEach((change) => checkMicro(change, recorded));
  const changes = all.changes.filter((change) => !passing.includes(change));
  const refused = changes.filter((change) =>
    change.class === "architecture" ||
    (change.class === "training" && all.class !== "free" && !options.recordChanges)
  );
  if (refused.length > 0) refuse({ type: "ConfigDiffers", run, changes: refused });
  if (changes.length === 0) return { config: recorded, passing };
  const config = withSettings(recorded, changedValues(changes));
  const checked = checkConfig(config, changes.map(({ path }) => path));
  if (E.isLeft(checked)) refuse(checked.left);
  if (config.steps.max < state.step) {
    const expected = `at least ${state.step}, the step of the run`;
    refuse({ type: "BadSetting", path: "steps.max", expected, found: String(config.steps.max) });
  }
  return { change: { ...all, changes }, config, passing };
}

/**
 * What a task and its caller ask for of a run that was started with `started`; where both do, the caller's.
 *
 * Of the task's own settings those that were the run's from the start ask for nothing: they may have been
 * changed since, by an event.
 */
export function askedOf(task: Task, started: RunConfig, asked: PartialConfig = {}): PartialConfig {
  const before = settings(started);
  const edited = [...settings((task.config ?? {}) as RunConfig)]
    .filter(([path, value]) => !Object.is(before.get(path), value));
  return partialConfig([...edited, ...settings(asked as RunConfig)]);
}

function checkMicro({ path, asked }: SettingChange, { batch }: RunConfig): void {
  const micro = Number(asked);
  if (micro >= 1 && micro % batch.grain === 0 && batch.size % micro === 0) return;
  const expected = `a multiple of the run's batch.grain, ${batch.grain}, that divides its ` +
    `batch.size, ${batch.size}`;
  refuse({ type: "BadSetting", path, expected, found: String(asked) });
}

function refuse(error: RunError): never {
  return fail(error);
}
