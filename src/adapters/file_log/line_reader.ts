import { LINE_BREAK } from "./log_segment.ts";

/** What follows the last line break of a file. */
export interface Rest {
  readonly bytes: Uint8Array;
  /** Whether reading ended there because the line is longer than any is. */
  readonly tooLong: boolean;
}

const CHUNK = 2 ** 18;
const FIRST_CHUNK = 2 ** 12;

/**
 * Gives each line from where the file stands to its end, without its line break, to `take`, which
 * borrows it. It holds no more than the longest line, of at most `longest` bytes, and a little more.
 *
 * @returns what follows the last line break.
 */
export async function readLines(
  file: Deno.FsFile,
  longest: number,
  take: (line: Uint8Array) => void,
): Promise<Rest> {
  let buffer = new Uint8Array(CHUNK);
  let filled = 0; // bytes of an unfinished line
  for (;;) {
    if (filled > longest) return { bytes: buffer.subarray(0, filled), tooLong: true };
    if (filled === buffer.length) buffer = grown(buffer);
    const count = await file.read(buffer.subarray(filled));
    if (count === null) return { bytes: buffer.subarray(0, filled), tooLong: false };
    const end = filled + count;
    let start = 0;
    let at = buffer.subarray(0, end).indexOf(LINE_BREAK, filled);
    while (at >= 0) {
      take(buffer.subarray(start, at));
      start = at + 1;
      at = buffer.subarray(0, end).indexOf(LINE_BREAK, start);
    }
    buffer.copyWithin(0, start, end);
    filled = end - start;
  }
}

/** The line at which the file stands, without its line break; undefined where none ends there. */
export async function readLine(
  file: Deno.FsFile,
  longest: number,
): Promise<Uint8Array | undefined> {
  let buffer = new Uint8Array(FIRST_CHUNK);
  for (let filled = 0; filled <= longest;) {
    if (filled === buffer.length) buffer = grown(buffer);
    const count = await file.read(buffer.subarray(filled));
    if (count === null) return undefined;
    const end = buffer.subarray(0, filled + count).indexOf(LINE_BREAK, filled);
    if (end >= 0) return buffer.subarray(0, end);
    filled += count;
  }
  return undefined;
}

function grown(buffer: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(buffer.length * 2);
  larger.set(buffer);
  return larger;
}
