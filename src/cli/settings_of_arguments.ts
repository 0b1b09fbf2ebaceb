import * as E from "fp-ts/Either.js";
import { describeSettingError } from "../app/errors/describe_error.ts";
import { describeConfigError } from "../app/errors/describe_config_error.ts";
import type { FileSettings } from "../codec/config_file_codec.ts";
import { badSettings } from "../core/check_config.ts";
import type { PartialConfig, RunConfig } from "../core/config.ts";
import { assign, partialConfig, settings, withSettings } from "../core/config_path.ts";
import type { Recipe } from "../recipes/recipe.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { settingsOfConfig } from "./config_argument.ts";
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
  "config" | "set" | "maxSteps" | "saveEvery" | "lr" | "seed"
>;

/** Applies the settings of `--config` to `base`, then `--set`, and the short flags last. */
export async function settingsOfArguments(
  base: RunConfig,
  args: SettingArguments,
  recipe: Recipe,
): Promise<AskedSettings> {
  const file = await settingsOfConfig(args.config, recipe, base);
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
  let config = withSettings(base, Object.fromEntries(file?.values ?? []));
  for (const assignment of assignments) {
    const changed = assign(config, assignment);
    if (E.isLeft(changed)) throw new UsageError(describeSettingError(changed.left));
    config = changed.right;
  }
  const assigned = assignments.map((text) => text.split("=")[0]!.trim());
  const paths = [...file?.values.keys() ?? [], ...assigned];
  checkValues(config, file, assigned);
  const values = settings(config);
  return { config, asked: partialConfig(paths.map((path) => [path, values.get(path)!])) };
}

/** Refuses values that make no sense: those of a file all at once, each with its place there. */
function checkValues(
  config: RunConfig,
  file: FileSettings | undefined,
  assigned: readonly string[],
): void {
  const bad = badSettings(config, assigned);
  const ofFile = bad.flatMap(({ type, path, expected, found }) => {
    const place = assigned.includes(path) ? undefined : file?.places.get(path);
    return place === undefined ? [] : [{ type, place, expected, found }];
  });
  const [first] = bad;
  if (first === undefined) return;
  throw new UsageError(
    file !== undefined && ofFile.length > 0 && !assigned.includes(first.path)
      ? describeConfigError({ type: "ConfigFlawed", file: file.file, flaws: ofFile })
      : describeSettingError(first),
  );
}
