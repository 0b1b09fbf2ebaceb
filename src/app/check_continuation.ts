import type { PartialConfig, RunConfig } from "../core/config.ts";
import { settings } from "../core/config_path.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import { fail } from "../ports/attempt.ts";
import type { Task } from "../ports/task.ts";
import type { RunError, SettingChange } from "./errors.ts";

/**
 * Fails unless `task` and the settings that are asked for are those that the run was started with.
 *
 * Settings that nobody asks for are the recorded ones; a recorded one is never replaced in silence. Gives
 * the changes that are let pass, because no bit depends on them: of `batch.micro`, where `batch.grain`
 * says what a pass is over.
 */
export function checkContinuation(
  run: RunId,
  state: RunState,
  task: Task,
  asked: PartialConfig,
): readonly SettingChange[] {
  if (state.task !== task.name) {
    refuse({ type: "TaskDiffers", run, expected: state.task ?? "", actual: task.name });
  }
  const recorded = state.data!;
  const { identity } = task.data;
  if (recorded.digest !== identity.digest || recorded.samples !== identity.samples) {
    refuse({ type: "DataDiffers", run, expected: recorded, actual: identity });
  }
  const { heldOut } = state;
  const found = task.evaluation?.data.identity;
  if (heldOut && (heldOut.digest !== found?.digest || heldOut.samples !== found.samples)) {
    refuse({ type: "HeldOutDiffers", run, expected: heldOut, ...(found && { actual: found }) });
  }
  const { batch } = state.config!;
  const all = settingChanges(state.config!, asked);
  const passing = all.filter(({ path }) => path === "batch.micro" && batch.grain > 0);
  const changes = all.filter((change) => !passing.includes(change));
  if (changes.length > 0) refuse({ type: "ConfigDiffers", run, changes });
  passing.forEach(({ path, asked }) => {
    const micro = Number(asked);
    if (micro >= 1 && micro % batch.grain === 0 && batch.size % micro === 0) return;
    const expected = `a multiple of the run's batch.grain, ${batch.grain}, that divides its ` +
      `batch.size, ${batch.size}`;
    refuse({ type: "BadSetting", path, expected, found: String(asked) });
  });
  return passing;
}

/** The settings in which what is asked for differs from what is recorded. */
export function settingChanges(
  recorded: RunConfig,
  asked: PartialConfig,
): readonly SettingChange[] {
  const before = settings(recorded);
  return [...settings(asked as RunConfig)]
    .filter(([path, value]) => !Object.is(before.get(path), value))
    .map(([path, value]) => ({ path, recorded: before.get(path), asked: value }));
}

function refuse(error: RunError): never {
  return fail(error);
}
