import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import * as E from "fp-ts/Either.js";
import { combined, fromBytePlanes, toBytePlanes } from "../../codec/byte_planes.ts";
import { BLOCK_BYTES } from "../../codec/compressed_header.ts";
import { allocated } from "../files/regular_file.ts";
import { isSystemError } from "../files/system_error.ts";

const LENGTH_BYTES = 4;
/** A zstd frame has a magic number, a descriptor, a size, and at least one block. */
const LEAST_FRAME_BYTES = 8;
/** Above it zstd spends several times as long on tensors, for a few per cent. */
const LEVEL = 1;

/** One block of a compressed object, its length before it. Borrows the bytes, and the base's. */
export function compressBlock(plain: Uint8Array, base?: Uint8Array): Uint8Array<ArrayBuffer> {
  const difference = base === undefined ? plain : combined(plain, base);
  const frame = zstdCompressSync(toBytePlanes(difference), {
    chunkSize: BLOCK_BYTES,
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
  });
  const block = new Uint8Array(LENGTH_BYTES + frame.length);
  new DataView(block.buffer).setUint32(0, frame.length, true);
  block.set(frame, LENGTH_BYTES);
  return block;
}

/**
 * The plain bytes of a compressed object, or why there are none.
 *
 * Takes `base` over: the result may be in its memory. Nothing that blocks claim is believed: a frame
 * gives the bytes of its block, and the last one ends where the file does.
 */
export function decompress(
  blocks: Uint8Array,
  plainBytes: number,
  base?: Uint8Array<ArrayBuffer>,
): E.Either<string, Uint8Array<ArrayBuffer>> {
  const count = Math.ceil(plainBytes / BLOCK_BYTES);
  const least = count * (LENGTH_BYTES + LEAST_FRAME_BYTES);
  const plain = blocks.length < least ? undefined : base ?? allocated(plainBytes);
  if (plain === undefined) {
    return E.left(`expected ${plainBytes} plain bytes, found only ${blocks.length} compressed`);
  }
  let at = 0;
  for (let begin = 0; begin < plainBytes; begin += BLOCK_BYTES) {
    const block = plain.subarray(begin, begin + BLOCK_BYTES);
    const frame = frameAt(blocks, at);
    const planes = frame && decompressFrame(frame, block.length);
    if (frame === undefined || planes === undefined) {
      return E.left(`the block at ${at} is no zstd frame of ${block.length} bytes`);
    }
    const difference = fromBytePlanes(planes);
    block.set(base === undefined ? difference : combined(difference, block));
    at += LENGTH_BYTES + frame.length;
  }
  if (at === blocks.length) return E.right(plain);
  return E.left(`expected ${at} bytes of blocks, found ${blocks.length}`);
}

function frameAt(blocks: Uint8Array, at: number): Uint8Array | undefined {
  const start = at + LENGTH_BYTES;
  if (start > blocks.length) return undefined;
  const length = new DataView(blocks.buffer, blocks.byteOffset + at).getUint32(0, true);
  return start + length > blocks.length ? undefined : blocks.subarray(start, start + length);
}

/** Exactly `length` bytes; zlib itself takes a frame that is cut short, and one that gives less. */
function decompressFrame(frame: Uint8Array, length: number): Uint8Array | undefined {
  try {
    const bytes = zstdDecompressSync(frame, { chunkSize: BLOCK_BYTES, maxOutputLength: length });
    return bytes.length === length ? bytes : undefined;
  } catch (error) {
    if (isSystemError(error) || !(error instanceof Error)) throw error;
    return undefined;
  }
}
