import * as E from "fp-ts/Either.js";
import { parseRunId, type RunId } from "../../core/run_id.ts";
import { fail } from "../../ports/attempt.ts";
import type { LogError } from "../../ports/event_log.ts";
import { entriesIn } from "../files/directory_entries.ts";
import { isRunDirectory } from "./run_directory.ts";

/** Where a store keeps the runs that it was told to delete. */
export const ARCHIVE = ".archive";

/** Names in a store that are the store's own. */
const OWN = [ARCHIVE, "objects"];

/** The runs of a store, sorted; what cannot be known not to be a run is one. */
export async function listRuns(root: string): Promise<readonly RunId[]> {
  const runs: RunId[] = [];
  for (const name of await directoriesIn(root)) {
    if (E.isRight(parseRunId(name)) && await isRunDirectory(`${root}/${name}`)) runs.push(name);
  }
  return runs.sort();
}

/** Fails where a store has a run under a name that is none, which nobody reads. */
export async function refuseStrays(root: string): Promise<void> {
  for (const name of await directoriesIn(root)) {
    if (OWN.includes(name) || E.isRight(parseRunId(name))) continue;
    const reason = "it looks like a run, and its name is no run id: rename it, or move it away";
    await refuseRun(`${root}/${name}`, reason);
  }
}

/** Fails for this reason where a run is at `place`. */
export async function refuseRun(place: string, reason: string): Promise<void> {
  if (!await isRunDirectory(place)) return;
  const error: LogError = { type: "LogUnavailable", action: "read a log", place, reason };
  fail(error);
}

/** Directories, and links to them: what is linked can be read, or cannot be known to be nothing. */
export async function directoriesIn(root: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const { name, isDirectory, isSymlink } of await entriesIn(root)) {
    if (isDirectory || (isSymlink && !await leadsToFile(`${root}/${name}`))) names.push(name);
  }
  return names;
}

async function leadsToFile(link: string): Promise<boolean> {
  try {
    return (await Deno.stat(link)).isFile;
  } catch {
    return false; // whoever reads it is told why
  }
}
