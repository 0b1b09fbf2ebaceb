import { fail } from "../../ports/attempt.ts";
import type { DataFileError } from "../../ports/data_file.ts";

/** A text file and its length. */
export interface TextFile {
  readonly path: string;
  readonly bytes: number;
}

/** A part of a text that can be encoded alone. */
export interface TextPiece {
  readonly text: string;
  /** Whether a document begins with it. */
  readonly begins: boolean;
  /** Whether it is beyond the part that is trained on. */
  readonly heldOut: boolean;
}

/** Bytes of a piece, at least, but for the last of a file. */
const PIECE_BYTES = 2 ** 16;

/**
 * The texts of files, each a document, in pieces. What GPT-2's BPE makes of the pieces, one after the other,
 * is what it makes of the whole document: a piece ends only where white space follows something else, and
 * none of the parts that the encoding looks at one by one begins before such a place and ends after it.
 *
 * The part that is held out begins at the first such place at or after byte `heldOutFrom` of all files
 * together. Where the pieces end depends on the bytes alone. Only a piece is in memory, as long as a text
 * has white space.
 *
 * Fails with DataFileUnusable (see `attempt`) for a file that is not UTF-8.
 */
export async function* textPieces(
  files: readonly TextFile[],
  heldOutFrom: number,
): AsyncGenerator<TextPiece> {
  let before = 0;
  for (const { path, bytes } of files) {
    yield* piecesOf(path, heldOutFrom - before);
    before += bytes;
  }
}

async function* piecesOf(path: string, heldOutFrom: number): AsyncGenerator<TextPiece> {
  let rest: Uint8Array = new Uint8Array();
  let at = 0;
  const heldOut = () => at >= heldOutFrom;
  const pieceOf = (end: number): TextPiece => {
    const text = textOf(path, rest.subarray(0, end), at);
    const piece = { text, begins: at === 0, heldOut: heldOut() };
    rest = rest.subarray(end);
    at += end;
    return piece;
  };
  using file = await Deno.open(path);
  const chunk = new Uint8Array(PIECE_BYTES);
  for (let searched = 0;;) {
    const least = heldOut() ? PIECE_BYTES : Math.min(PIECE_BYTES, heldOutFrom - at);
    const end = endFrom(rest, Math.max(least, searched));
    if (end !== undefined) {
      yield pieceOf(end);
      searched = 0;
      continue;
    }
    searched = rest.length;
    const count = await file.read(chunk);
    if (count === null) break;
    rest = joined(rest, chunk.subarray(0, count));
  }
  if (rest.length > 0 || at === 0) yield pieceOf(rest.length);
}

/** The first place at or after `from` where white space follows something else; undefined without one. */
function endFrom(bytes: Uint8Array, from: number): number | undefined {
  for (let at = Math.max(1, Math.ceil(from)); at < bytes.length; at++) {
    if (isSpace(bytes[at]!) && !endsInSpace(bytes, at)) return at;
  }
  return undefined;
}

/** Whether a byte is white space of ASCII, which is never a part of another character. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** Whether the character that ends before `end` is white space, as regular expressions have it. */
function endsInSpace(bytes: Uint8Array, end: number): boolean {
  let start = end - 1;
  while (start > 0 && (bytes[start]! & 0xc0) === 0x80) start--;
  return /\s$/.test(
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(start, end)),
  );
}

function textOf(path: string, bytes: Uint8Array, at: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const place = `from byte ${at} to ${at + bytes.length}`;
    return fail(
      {
        type: "DataFileUnusable",
        action: "read the text",
        place: path,
        reason: `expected UTF-8, found bytes that are none ${place}`,
      } satisfies DataFileError,
    );
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
