import { apart } from "../../codec/apart.ts";
import { type DataFile, type DataIdentity, otherFile } from "../../core/data_identity.ts";
import type { Digest } from "../../core/digest.ts";
import type { RunError } from "./errors.ts";

/** Other data than a run's, for people. */
export function describeDataError(
  error: Extract<RunError, { type: "DataDiffers" | "HeldOutDiffers" }>,
): string {
  const { run, expected, actual } = error;
  const what = error.type === "DataDiffers" ? "data" : "held-out data";
  const remedy = error.type === "DataDiffers"
    ? "start another run with --run NAME, or fork this one onto the other data."
    : "or start another run with --run NAME.";
  return `The ${what} of run "${run}" changed: ${difference(expected, actual)} ` +
    `Bring the data back, ${remedy}`;
}

function difference(expected: DataIdentity, actual: DataIdentity | undefined): string {
  const [before, now] = expected.digest === actual?.digest
    ? [short(expected.digest), short(expected.digest)]
    : apart(expected.digest, actual?.digest ?? "");
  const wanted = `expected ${expected.samples} samples with digest ${before}`;
  if (actual === undefined) return `${wanted}, found none.`;
  const file = otherFile(expected, actual);
  return `${wanted}, found ${actual.samples} with ${now}.` +
    (file === undefined
      ? ""
      : ` The first file with other samples is number ${file + 1}: expected ` +
        `${inWords(expected.files![file])}, found ${inWords(actual.files![file])}.`);
}

function short(digest: Digest): string {
  return digest.slice(0, 12);
}

function inWords(file: DataFile | undefined): string {
  return file === undefined ? "none" : `${file.samples} in "${file.name}"`;
}
