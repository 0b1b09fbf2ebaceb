import * as E from "fp-ts/Either.js";
import type * as t from "io-ts";
import type { RunConfig } from "../core/config.ts";
import { type Setting, settings } from "../core/config_path.ts";
import { nearest } from "../core/nearest.ts";
import { CONFIG_EXTENSIONS, configSyntaxOf, parseConfigText } from "./config_syntax.ts";
import { quoted } from "./quoted.ts";
import { isRecord, noSuchSetting, settingGroups } from "./setting_group_codec.ts";

/** A file of settings, or of presets that are settings, as its text. */
export interface ConfigFile {
  /** Its name, which ends as its language does; for messages too. */
  readonly name: string;
  readonly text: string;
}

/** Settings of a file by their paths, and where in the file each is. */
export interface FileSettings {
  readonly file: string;
  readonly values: ReadonlyMap<string, Setting>;
  readonly places: ReadonlyMap<string, string>;
}

/** What is wrong at a place in a config file. */
export type ConfigFlaw =
  | { readonly type: "UnknownSetting"; readonly place: string; readonly near: readonly string[] }
  | {
    readonly type: "BadSetting";
    readonly place: string;
    readonly expected: string;
    readonly found: string;
  };

/** Why a config file gives no settings. */
export type ConfigFileError =
  | { readonly type: "ConfigUnreadable"; readonly file: string; readonly reason: string }
  | { readonly type: "ConfigFlawed"; readonly file: string; readonly flaws: readonly ConfigFlaw[] }
  | {
    /** No preset is named, and the file has nothing else. */
    readonly type: "PresetUnnamed";
    readonly file: string;
    readonly presets: readonly string[];
  }
  | {
    readonly type: "PresetMissing";
    readonly file: string;
    readonly preset: string;
    /** The preset that extends it; absent where it was asked for. */
    readonly extendedBy?: string;
    readonly presets: readonly string[];
  }
  | {
    readonly type: "PresetCycle";
    readonly file: string;
    /** Each extends the next, and the last is the first again. */
    readonly presets: readonly string[];
  };

/**
 * The settings of a config file, or of one of its presets, as far as `config` has them: docs/guide has
 * examples. All that is wrong with them is found at once.
 *
 * A file is settings (see `settingGroups`), or has presets at its top level, each settings and perhaps
 * `extends`, the name of another whose settings it has besides its own. Whether a value makes sense with the
 * others is not looked at (`badSettings`).
 */
export function decodeConfigFile(
  { name: file, text }: ConfigFile,
  config: RunConfig,
  preset?: string,
): E.Either<ConfigFileError, FileSettings> {
  const syntax = configSyntaxOf(file);
  if (syntax === undefined) {
    const reason = `expected its name to end in one of ${CONFIG_EXTENSIONS.join(", ")}`;
    return E.left({ type: "ConfigUnreadable", file, reason });
  }
  const parsed = parseConfigText(text, syntax);
  if (E.isLeft(parsed)) return E.left({ type: "ConfigUnreadable", file, reason: parsed.left });
  const top = parsed.right;
  if (!isRecord(top)) return E.left({ type: "ConfigFlawed", file, flaws: [noSettings("", top)] });
  const presets = presetsOf(top, config);
  if (preset === undefined) {
    return presets.length > 0 && presets.length === Object.keys(top).length
      ? E.left({ type: "PresetUnnamed", file, presets })
      : settingsOf(file, [{ place: "", value: top }], config);
  }
  const chain = chainOf(file, top, presets, preset);
  return E.isLeft(chain) ? chain : settingsOf(file, chain.right, config);
}

/** A value at the top level of a file, and where it is. */
interface Part {
  readonly place: string;
  readonly value: unknown;
}

/** The names of the top level that can only be those of presets: they have settings or extend others. */
function presetsOf(
  top: Readonly<Record<string, unknown>>,
  config: RunConfig,
): readonly string[] {
  const paths = [...settings(config).keys()];
  const isSetting = (name: string) => Object.hasOwn(config, name) || paths.includes(name);
  return Object.entries(top).flatMap(([name, value]) => {
    if (isSetting(name) || !isRecord(value)) return [];
    const members = Object.keys(value);
    const settles = members.length === 0 ||
      members.some((member) => member === "extends" || isSetting(member));
    return settles ? [name] : [];
  });
}

/** The presets that one consists of, those that it extends first. */
function chainOf(
  file: string,
  top: Readonly<Record<string, unknown>>,
  presets: readonly string[],
  asked: string,
): E.Either<ConfigFileError, readonly Part[]> {
  const names: string[] = [];
  const parts: Part[] = [];
  for (let name: string | undefined = asked; name !== undefined;) {
    if (names.includes(name)) {
      const cycle = [...names.slice(names.indexOf(name)), name];
      return E.left({ type: "PresetCycle", file, presets: cycle });
    }
    if (!Object.hasOwn(top, name)) {
      const extendedBy = names.at(-1);
      const by = extendedBy === undefined ? {} : { extendedBy };
      return E.left({ type: "PresetMissing", file, preset: name, presets, ...by });
    }
    names.push(name);
    const value: unknown = top[name];
    if (!isRecord(value)) {
      return E.left({ type: "ConfigFlawed", file, flaws: [noSettings(name, value)] });
    }
    const { extends: base, ...own } = value;
    parts.unshift({ place: name, value: own });
    if (base !== undefined && typeof base !== "string") {
      const flaw = bad(`${name}.extends`, "the name of a preset", base);
      return E.left({ type: "ConfigFlawed", file, flaws: [flaw] });
    }
    name = base;
  }
  return E.right(parts);
}

/** The settings of parts of a file, the later in place of the earlier. */
function settingsOf(
  file: string,
  parts: readonly Part[],
  config: RunConfig,
): E.Either<ConfigFileError, FileSettings> {
  const codec = settingGroups(config);
  const values = new Map<string, Setting>();
  const places = new Map<string, string>();
  const flaws: ConfigFlaw[] = [];
  for (const { place, value } of parts) {
    const decoded = codec.decode(value);
    if (E.isLeft(decoded)) {
      flaws.push(...decoded.left.map((error) => flawOf(place, error, config)));
      continue;
    }
    for (const [path, setting] of decoded.right) {
      values.set(path, setting);
      places.set(path, joined(place, path));
    }
  }
  if (flaws.length > 0) return E.left({ type: "ConfigFlawed", file, flaws });
  return E.right({ file, values, places });
}

function flawOf(place: string, error: t.ValidationError, config: RunConfig): ConfigFlaw {
  const path = error.context.map(({ key }) => key).filter((key) => key !== "").join(".");
  const type = error.context.at(-1)!.type;
  if (type !== noSuchSetting) return bad(joined(place, path), type.name, error.value);
  const names = [...settings(config).keys(), ...Object.keys(config)];
  const near = nearest(path, [...new Set(names)]);
  return { type: "UnknownSetting", place: joined(place, path), near };
}

function noSettings(place: string, found: unknown): ConfigFlaw {
  return bad(place, "settings by their names", found);
}

function bad(place: string, expected: string, found: unknown): ConfigFlaw {
  return { type: "BadSetting", place, expected, found: inWords(found) };
}

function joined(place: string, path: string): string {
  return [place, path].filter((part) => part !== "").join(".");
}

/** A value as a message names it, without going into it. */
function inWords(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return `the text ${quoted(value)}`;
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object") return String(value);
  return isRecord(value) ? "a group of members" : "a date or a time";
}
