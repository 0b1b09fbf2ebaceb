import type { RecordedEvent } from "../../core/recorded_event.ts";
import { entriesIn } from "../files/directory_entries.ts";

/** Ends every line of a segment. */
export const LINE_BREAK = 10;

const SEGMENT = /^[0-9]{8,}\.jsonl$/;

/** A line of a log, checked, and where it is. */
export interface LinePlace {
  /** Name of the segment. */
  readonly segment: string;
  /** Where the line begins in the segment, in bytes. */
  readonly start: number;
  /** Where the next line begins. */
  readonly end: number;
  readonly recorded: RecordedEvent;
}

/** The name of the segment whose first line has this position. */
export function segmentName(position: number): string {
  return `${String(position).padStart(8, "0")}.jsonl`;
}

/** Whether a file of this name is a segment. */
export function isSegmentName(name: string): boolean {
  return SEGMENT.test(name);
}

/** The line of a position in a segment, for people. */
export function placeInWords(segment: string, position: number): string {
  return `${segment} line ${position - Number.parseInt(segment, 10) + 1}`;
}

/** The names of the segments in a log's directory, in the order of their positions. */
export async function segmentsIn(directory: string): Promise<readonly string[]> {
  const names = (await entriesIn(directory)).map(({ name }) => name);
  return names.filter(isSegmentName)
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || a.length - b.length);
}

/** How large the segments in a log's directory are together. */
export async function bytesOfSegments(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await segmentsIn(directory)) {
    bytes += (await Deno.stat(`${directory}/${name}`)).size;
  }
  return bytes;
}

/** Opens a segment for reading, which must be a regular file: a pipe would never end. */
export async function openSegment(path: string): Promise<Deno.FsFile> {
  if ((await Deno.stat(path)).isFile) return await Deno.open(path);
  throw new Deno.errors.NotSupported(`expected a regular file, found something else: ${path}`);
}
