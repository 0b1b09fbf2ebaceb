import { apart } from "../../codec/apart.ts";
import type { CodeDifference } from "../../core/code_manifest.ts";
import type { Digest } from "../../core/digest.ts";
import { describeError } from "./describe_error.ts";
import type { CodeDiffers, RunError } from "./errors.ts";

/** An error about a run's code, or the store's sources, for people. */
export function describeCodeError(
  error: Extract<
    RunError,
    {
      type:
        | "CodeDiffers"
        | "CodeUnreadable"
        | "CodeUnrecorded"
        | "CodeUnknown"
        | "NewerCode"
        | "SourceMissing"
        | "SourceDamaged"
        | "SourcesUnavailable";
    }
  >,
): string {
  switch (error.type) {
    case "CodeDiffers":
      return `Run "${error.run}" was computed by other code: ${codeChangeInWords(error)}\n` +
        "Go back to that code (`foldlog show " + error.run +
        " --code DIR` writes it out), or continue " +
        "with --accept-code-change, which records that from here on it is this code.";
    case "CodeUnreadable":
      return `Cannot tell which code trains: ${error.file}: ${error.reason}. ` +
        "Mend the file or what imports it; the code is recorded with a run.";
    case "CodeUnrecorded":
      return `Run "${error.run}" does not say which code computed it: it was started by an older foldlog, ` +
        "or by a script that did not give its code.";
    case "CodeUnknown": {
      const whose = error.run === undefined ? "an archived run" : `run "${error.run}"`;
      return `Nothing was removed, since nobody knows which files the code of ${whose} needs. ` +
        `${describeError(error.because)} ` +
        "`foldlog verify RUN --repair` stores it again where that code is; a backup may have it, too.";
    }
    case "NewerCode":
      return `The code manifest ${short(error.digest)} was written by a newer foldlog: format ` +
        `${error.found}, this one knows up to ${error.known}. Update foldlog to read it.`;
    case "SourceMissing":
      return `The source ${short(error.digest)} is missing: expected ${error.place}.`;
    case "SourceDamaged":
      return `The source ${short(error.digest)} is damaged (${error.place}): ${error.reason}.`;
    case "SourcesUnavailable":
      return `Cannot ${error.action} at ${error.place}: ${error.reason}. ` +
        "Check the path, its permissions and the free space.";
  }
}

/** Which code was expected and which is here, and the files and imports in which they differ. */
export function codeChangeInWords({ expected, actual, difference, because }: CodeDiffers): string {
  const [before, now] = apart(expected, actual);
  const digests = `expected ${before}, found ${now}.`;
  if (difference !== undefined) return `${digests}\n${linesOf(difference).join("\n")}`;
  const reason = because === undefined ? "" : ` ${describeError(because)}`;
  return `${digests} In which files they differ cannot be told.${reason}`;
}

function linesOf(difference: CodeDifference): readonly string[] {
  const kinds = [
    ["changed", difference.changed],
    ["added", difference.added],
    ["removed", difference.removed],
    ["imported now", difference.importsAdded],
    ["no longer imported", difference.importsRemoved],
  ] as const;
  return kinds.flatMap(([kind, names]) => names.map((name) => `  ${kind}: ${name}`));
}

function short(digest: Digest): string {
  return digest.slice(0, 12);
}
