import type { Digest } from "./digest.ts";

/** What a data set is, as far as resuming is concerned: other data under the same name is another digest. */
export interface DataIdentity {
  readonly name: string;
  /** Samples in one epoch. */
  readonly samples: number;
  /** Digest of the data set's contents. */
  readonly digest: Digest;
  /**
   * The files that it consists of, in the order in which their samples lie; all of its samples together.
   * With them a run that reads its data in order says how many files it has used.
   */
  readonly files?: readonly DataFile[];
}

/** A file of a data set. */
export interface DataFile {
  /** For people: another name is no other data. */
  readonly name: string;
  /** How many of the data set's samples are in it: 0 is allowed. */
  readonly samples: number;
}

/**
 * Whether two data sets give the same batches: the same contents, and the same samples. Where both have
 * files, the samples are divided among them alike; their names may differ, as the data sets' own may.
 */
export function isSameData(a: DataIdentity, b: DataIdentity): boolean {
  return a.digest === b.digest && a.samples === b.samples && otherFile(a, b) === undefined;
}

/** The number of the first file, from 0, that has other samples in the two; undefined where none has. */
export function otherFile(
  { files: a }: DataIdentity,
  { files: b }: DataIdentity,
): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  const longer = a.length < b.length ? b : a;
  const first = longer.findIndex((_, number) => a[number]?.samples !== b[number]?.samples);
  return first < 0 ? undefined : first;
}

/** What is wrong with the files of a data set: together they have its samples. Undefined where nothing is. */
export function flawOfFiles({ samples, files }: DataIdentity): string | undefined {
  const sum = files?.reduce((sum, file) => sum + file.samples, 0) ?? samples;
  if (sum === samples) return undefined;
  return `expected files of ${samples} samples together, found ${sum}`;
}
