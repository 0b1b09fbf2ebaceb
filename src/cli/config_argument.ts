import * as E from "fp-ts/Either.js";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { FileSettings } from "../codec/config_file_codec.ts";
import type { RunConfig } from "../core/config.ts";
import type { Recipe } from "../recipes/recipe.ts";
import { UsageError } from "./usage_error.ts";

/** A config file as it was typed, and the preset of it that was named. */
export interface ConfigArgument {
  /** Absent where the recipe's own file is meant. */
  readonly file?: string;
  readonly preset?: string;
}

/** What `FILE`, `FILE#PRESET`, `PRESET` or `#PRESET` names: a file is what has a directory or an extension. */
export function parseConfigArgument(text: string): ConfigArgument {
  const at = text.lastIndexOf("#");
  const file = at < 0 ? text : text.slice(0, at);
  const named = at < 0 ? undefined : text.slice(at + 1);
  if (text === "" || named === "") {
    throw new UsageError(`Expected --config to be FILE, FILE#PRESET or PRESET, found "${text}".`);
  }
  if (named === undefined && !/[./\\]/.test(file)) return { preset: file };
  return { ...(file !== "" && { file }), ...(named !== undefined && { preset: named }) };
}

/**
 * The settings that `--config` names, as far as `config` has them: those of a file, or of a preset of the
 * recipe's own. Undefined where there is no `--config`.
 */
export async function settingsOfConfig(
  argument: string | undefined,
  recipe: Recipe,
  config: RunConfig,
): Promise<FileSettings | undefined> {
  if (argument === undefined) return undefined;
  const { file, preset } = parseConfigArgument(argument);
  const path = file ?? presetsOf(recipe, argument);
  const { readConfigFile } = await import("../adapters/files/config_file.ts");
  const { decodeConfigFile } = await import("../codec/config_file_codec.ts");
  const read = await readConfigFile(path, file ?? basename(path))();
  const settings = E.isLeft(read) ? read : decodeConfigFile(read.right, config, preset);
  if (E.isRight(settings)) return settings.right;
  const { describeConfigError } = await import("../app/errors/describe_config_error.ts");
  throw new UsageError(describeConfigError(settings.left));
}

/** The file of a recipe's own presets. */
function presetsOf({ name, presets }: Recipe, argument: string): string {
  if (presets !== undefined) return fileURLToPath(presets);
  throw new UsageError(
    `Recipe "${name}" has no presets of its own: expected --config to name a file, such as ` +
      `settings.yaml, found "${argument}".`,
  );
}
