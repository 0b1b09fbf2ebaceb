import * as E from "fp-ts/Either.js";
import { describeSettingError } from "../app/errors/describe_error.ts";
import type { PartialConfig, RunConfig } from "../core/config.ts";
import { checkConfig } from "../core/check_config.ts";
import { assign, partialConfig, settings } from "../core/config_path.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { UsageError } from "./usage_error.ts";

/** Settings that the command line names, and the config with them in place. */
export interface AskedSettings {
  readonly config: RunConfig;
  /** Only what was named. */
  readonly asked: PartialConfig;
}

/** What the command line says of settings. */
export type SettingArguments = Pick<
  ArgumentsOf<"train">,
  "set" | "maxSteps" | "saveEvery" | "lr" | "seed"
>;

/** Applies `--set` and the short flags to `base`, the short flags last. */
export function settingsOfArguments(
  base: RunConfig,
  args: SettingArguments,
): AskedSettings {
  const short: [string, number | undefined][] = [
    ["steps.max", args.maxSteps],
    ["save.every", args.saveEvery],
    ["optimizer.learningRate", args.lr],
    ["seed", args.seed],
  ];
  const assignments = [
    ...args.set,
    ...short.flatMap(([path, value]) => value === undefined ? [] : [`${path}=${value}`]),
  ];
  let config = base;
  for (const assignment of assignments) {
    const changed = assign(config, assignment);
    if (E.isLeft(changed)) throw new UsageError(describeSettingError(changed.left));
    config = changed.right;
  }
  const paths = assignments.map((text) => text.split("=")[0]!.trim());
  const checked = checkConfig(config, paths);
  if (E.isLeft(checked)) throw new UsageError(describeSettingError(checked.left));
  const values = settings(config);
  return { config, asked: partialConfig(paths.map((path) => [path, values.get(path)!])) };
}
