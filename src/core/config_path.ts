import * as E from "fp-ts/Either.js";
import type { PartialConfig, RunConfig } from "./config.ts";
import { nearest } from "./nearest.ts";

/** A value that a config's leaf can have. */
export type Setting = number | string | boolean;

/** Why `path=value` could not be set. */
export type SettingError =
  | { readonly type: "BadAssignment"; readonly found: string }
  | { readonly type: "UnknownSetting"; readonly path: string; readonly near: readonly string[] }
  | {
    readonly type: "BadSetting";
    readonly path: string;
    readonly expected: string;
    readonly found: string;
  };

/** Every leaf of a config by its dotted path, in sorted order. */
export function settings(config: RunConfig): ReadonlyMap<string, Setting> {
  const entries = Object.entries(config).flatMap(([group, value]): [string, Setting][] =>
    typeof value === "object"
      ? Object.entries(value as Record<string, Setting>).map(([name, leaf]) => [
        `${group}.${name}`,
        leaf,
      ])
      : [[group, value as Setting]]
  );
  return new Map(entries.sort(([a], [b]) => a < b ? -1 : 1));
}

/**
 * Applies one `path=value` to a config; the value is read as the type that the setting has.
 *
 * @example
 * ```ts
 * import { assign, defaultConfig } from "foldlog";
 * import * as E from "fp-ts/Either.js";
 *
 * const changed = assign(defaultConfig, "optimizer.learningRate=0.01");
 * if (E.isLeft(changed) || changed.right.optimizer.learningRate !== 0.01) throw new Error();
 * ```
 */
export function assign(config: RunConfig, assignment: string): E.Either<SettingError, RunConfig> {
  const equals = assignment.indexOf("=");
  if (equals < 1) return E.left({ type: "BadAssignment", found: assignment });
  const path = assignment.slice(0, equals).trim();
  const text = assignment.slice(equals + 1).trim();
  const known = settings(config);
  const before = known.get(path);
  if (before === undefined) {
    return E.left({ type: "UnknownSetting", path, near: nearest(path, [...known.keys()]) });
  }
  const value = readAs(before, text);
  if (value === undefined) {
    return E.left({ type: "BadSetting", path, expected: `a ${typeof before}`, found: text });
  }
  return E.right(withSetting(config, path, value));
}

/** A config of these settings alone, by their paths: of one that comes twice the later. */
export function partialConfig(
  values: Iterable<readonly [path: string, value: Setting]>,
): PartialConfig {
  const config: Record<string, unknown> = {};
  for (const [path, value] of values) {
    const [group, name] = path.split(/\.(.*)/s) as [string, string?];
    config[group] = name === undefined ? value : { ...config[group] as object, [name]: value };
  }
  return config as PartialConfig;
}

function readAs(before: Setting, text: string): Setting | undefined {
  switch (typeof before) {
    case "number":
      return text !== "" && Number.isFinite(Number(text)) ? Number(text) + 0 : undefined; // never -0;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined;
    default:
      return text;
  }
}

/** A config with other values in place of those that it has at these paths; others are passed over. */
export function withSettings(
  config: RunConfig,
  changes: Readonly<Record<string, Setting>>,
): RunConfig {
  const known = settings(config);
  return Object.entries(changes)
    .filter(([path, value]) => typeof value === typeof known.get(path))
    .reduce((changed, [path, value]) => withSetting(changed, path, value), config);
}

function withSetting(config: RunConfig, path: string, value: Setting): RunConfig {
  const dot = path.indexOf(".");
  if (dot < 0) return { ...config, [path]: value };
  const group = path.slice(0, dot) as keyof RunConfig;
  const name = path.slice(dot + 1);
  return { ...config, [group]: { ...(config[group] as object), [name]: value } };
}
