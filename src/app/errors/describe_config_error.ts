import type { ConfigFileError, ConfigFlaw } from "../../codec/config_file_codec.ts";
import { didYouMean } from "./did_you_mean.ts";

/** Why a config file gives no settings, for people: every flaw of it on a line of its own. */
export function describeConfigError(error: ConfigFileError): string {
  const { file } = error;
  switch (error.type) {
    case "ConfigUnreadable":
      return `Cannot read the settings of ${file}: ${error.reason}.`;
    case "ConfigFlawed":
      return `The settings of ${file} cannot be used:\n` +
        error.flaws.map((flaw) => `  ${describeFlaw(flaw)}`).join("\n");
    case "PresetUnnamed":
      return `Expected the name of a preset after ${file}, such as ${file}#${error.presets[0]}. ` +
        `Its presets are: ${error.presets.join(", ")}.`;
    case "PresetMissing": {
      const { preset, extendedBy, presets } = error;
      const asked = extendedBy === undefined ? "" : `, which "${extendedBy}" extends`;
      return `${file} has no preset "${preset}"${asked}. ` +
        (presets.length === 0
          ? "Its top level has no presets."
          : `Its presets are: ${presets.join(", ")}.`);
    }
    case "PresetCycle":
      return `The presets of ${file} extend each other in a circle: ` +
        `${error.presets.join(" extends ")}. Take one \`extends\` out.`;
  }
}

function describeFlaw(flaw: ConfigFlaw): string {
  const place = flaw.place === "" ? "its top level" : flaw.place;
  return flaw.type === "UnknownSetting"
    ? `${place}: there is no such setting.${didYouMean(flaw.near)}`
    : `${place}: expected ${flaw.expected}, found ${flaw.found}`;
}
