import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../../core/run_id.ts";
import type { SampleFile } from "../../core/sample_files.ts";
import type { SampleView } from "../../ports/sample_view.ts";
import type { SourceError } from "../../ports/source_store.ts";
import { makeDirectory } from "../files/durable_file.ts";
import { makeWay, obstacleInWords, statIfThere } from "../files/make_way.ts";
import { refuseLinks } from "../files/no_links.ts";
import { guarded, isSystemError } from "../files/system_error.ts";
import { TEMPORARY } from "../files/temporary_file.ts";
import { objectName } from "./object_file.ts";
import { showsObject } from "./shows_object.ts";

/** Samples as hard links to their objects, in the layout of docs/format.md. */
export function fileSampleView(root: string): SampleView {
  return {
    show: (run, samples) =>
      guardedView("show the samples", root, async () => {
        for (const sample of samples) await show(root, samplesPlace(run), sample);
      }),
    check: (run, samples) =>
      guardedView("look at the samples", root, () => flaws(root, samplesPlace(run), samples)),
  };
}

/** Where the samples of a run are shown, below the root. */
function samplesPlace(run: RunId): string {
  return `${run}/validation_samples`;
}

/** A name shows what it did or what it shall, at any moment. */
async function show(root: string, place: string, { name, digest }: SampleFile): Promise<void> {
  const [directory, object] = [`${root}/${place}`, `${root}/${objectName(digest)}`];
  const [path, beside] = [`${directory}/${name}`, `${directory}/${TEMPORARY}${name}`];
  await refuseLinks(root, `${place}/${name}`);
  await makeWay(directory, "isDirectory");
  await makeDirectory(directory);
  await makeWay(path, "isFile");
  const shown = await statIfThere(path);
  if (shown && await showsObject(path, shown, await statIfThere(object), digest)) return;
  if (await statIfThere(beside) !== undefined) await Deno.remove(beside); // of a process that was killed
  await linkOrCopy(object, beside);
  await Deno.rename(beside, path);
}

/** Not every file system has links. */
async function linkOrCopy(object: string, path: string): Promise<void> {
  try {
    await Deno.link(object, path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    await Deno.copyFile(object, path);
  }
}

async function flaws(
  root: string,
  place: string,
  samples: readonly SampleFile[],
): Promise<readonly string[]> {
  const directory = await statIfThere(`${root}/${place}`);
  if (directory === undefined) return [];
  if (!directory.isDirectory) return [obstacleInWords(place, "directory", directory)];
  const found: string[] = [];
  for (const { name, digest } of samples) {
    const path = `${root}/${place}/${name}`;
    const file = await statIfThere(path);
    if (file === undefined) found.push(`${place}/${name}: expected a file, found none`);
    else if (!file.isFile) found.push(obstacleInWords(`${place}/${name}`, "file", file));
    else if (
      !await showsObject(path, file, await statIfThere(`${root}/${objectName(digest)}`), digest)
    ) {
      found.push(`${place}/${name}: expected the bytes of ${digest.slice(0, 12)}, found others`);
    }
  }
  return found;
}

function guardedView<A>(
  action: string,
  place: string,
  work: () => Promise<A>,
): TaskEither<SourceError, A> {
  return guarded((reason) => ({ type: "SourcesUnavailable", action, place, reason }), work);
}
