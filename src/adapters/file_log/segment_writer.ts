import type { SealedLine } from "../../codec/envelope_codec.ts";
import { fail } from "../../ports/attempt.ts";
import { syncDirectory } from "../files/durable_file.ts";
import type { LogTail } from "./log_reader.ts";
import { LINE_BREAK, type LinePlace, segmentName } from "./log_segment.ts";

/** Appends lines to the segments of a log. */
export interface SegmentWriter {
  /**
   * Appends lines and resolves when they are durable, with the place of the last SnapshotTaken among
   * them. After an error nothing more may be appended.
   */
  readonly append: (lines: readonly SealedLine[]) => Promise<LinePlace | undefined>;
  readonly close: () => void;
}

/** The segment that is written to. */
interface OpenSegment {
  readonly name: string;
  readonly path: string;
  readonly file: Deno.FsFile;
  /** Where the next line belongs: every byte before it is durable. */
  size: number;
}

const encoder = new TextEncoder();

/** How segments are written. */
export interface SegmentOptions {
  /** A segment that has so many bytes is followed by the next. */
  readonly segmentBytes: number;
  /**
   * Whether lines are made durable while nothing else runs: quicker by half on a fast disk, and fit for
   * a caller who would wait in any case.
   */
  readonly blocks: boolean;
}

/** Opens the last segment of the log in `directory`, which was read as `tail`, its torn line cut off. */
export async function openSegments(
  directory: string,
  tail: LogTail,
  { segmentBytes, blocks }: SegmentOptions,
): Promise<SegmentWriter> {
  let current = tail.segment === undefined
    ? undefined
    : await openLast(directory, tail.segment, tail);

  async function append(lines: readonly SealedLine[]): Promise<LinePlace | undefined> {
    let snapshot: LinePlace | undefined;
    for (let from = 0; from < lines.length;) {
      if (current === undefined || current.size >= segmentBytes) {
        const next = await makeSegment(directory, lines[from]!.recorded.position);
        current?.file.close();
        current = next;
      }
      const chunk = linesThatFit(lines, from, segmentBytes - current.size);
      snapshot = await appendTo(current, chunk, blocks) ?? snapshot;
      from += chunk.length;
    }
    return snapshot;
  }

  return { append, close: () => current?.file.close() };
}

/**
 * Opens the last segment as it was read. What its last writer left there may not be durable: it is
 * made so before anything follows it.
 */
async function openLast(
  directory: string,
  name: string,
  { size, torn }: Pick<LogTail, "size" | "torn">,
): Promise<OpenSegment> {
  const path = `${directory}/${name}`;
  const file = await Deno.open(path, { append: true });
  try {
    if (torn !== undefined) await file.truncate(size);
    await file.sync();
    await syncDirectory(directory);
    return { name, path, file, size };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Makes the segment whose first line has this position; its name is durable. */
async function makeSegment(directory: string, position: number): Promise<OpenSegment> {
  const name = segmentName(position);
  const path = `${directory}/${name}`;
  const file = await Deno.open(path, { createNew: true, append: true });
  try {
    await syncDirectory(directory);
    return { name, path, file, size: 0 };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The lines from `from` on, up to the first that reaches `room`. */
function linesThatFit(
  lines: readonly SealedLine[],
  from: number,
  room: number,
): readonly SealedLine[] {
  let length = 0;
  let end = from;
  while (end < lines.length && (end === from || length < room)) {
    length += lines[end++]!.line.length + 1;
  }
  return lines.slice(from, end);
}

async function appendTo(
  segment: OpenSegment,
  lines: readonly SealedLine[],
  blocks: boolean,
): Promise<LinePlace | undefined> {
  const { file, path, size: start } = segment;
  const { size } = file.statSync();
  if (size !== start) {
    const reason = `it grew from ${start} to ${size} bytes: someone else writes to it`;
    fail({ type: "LogUnavailable", action: "append to the log", place: path, reason });
  }
  const bytes = encoder.encode(lines.map(({ line }) => `${line}\n`).join(""));
  try {
    for (let written = 0; written < bytes.length;) {
      written += file.writeSync(bytes.subarray(written)); // quick: into the system's memory
    }
    if (blocks) file.syncDataSync();
    else await file.syncData();
  } catch (error) {
    await file.truncate(start).catch(() => undefined); // what may not be durable is not to be read
    throw error;
  }
  segment.size += bytes.length;
  return lastSnapshot(segment.name, start, lines, bytes);
}

function lastSnapshot(
  segment: string,
  offset: number,
  lines: readonly SealedLine[],
  bytes: Uint8Array,
): LinePlace | undefined {
  const last = lines.findLastIndex(({ recorded }) => recorded.event.type === "SnapshotTaken");
  if (last < 0) return undefined;
  let start = 0;
  for (let line = 0; line < last; line++) start = bytes.indexOf(LINE_BREAK, start) + 1;
  const end = bytes.indexOf(LINE_BREAK, start) + 1;
  const { recorded } = lines[last]!;
  return { segment, start: offset + start, end: offset + end, recorded };
}
