import { createHash } from "node:crypto";
import {
  BLOCK_BYTES,
  COMPRESSED_HEADER_BYTES,
  encodeCompressedHeader,
  MAX_CHAIN,
} from "../../codec/compressed_header.ts";
import type { SafetensorsLayout } from "../../codec/safetensors.ts";
import type { Digest } from "../../core/digest.ts";
import type { FileRef } from "../../core/snapshot.ts";
import { compressBlock } from "./compressed_blocks.ts";
import { writeAll } from "../files/durable_file.ts";
import { blocksOf } from "./file_blocks.ts";
import { readHeader, readObject } from "./object_file.ts";

/** An object to keep only the difference from. */
export interface DeltaBase {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  /** The chain of what is a difference from this object. */
  readonly chain: number;
}

/** Writes the compressed form of a file of tensors. */
export async function writeCompressed(
  file: Deno.FsFile,
  layout: SafetensorsLayout,
  base: DeltaBase | undefined,
): Promise<void> {
  await writeAll(file, new Uint8Array(COMPRESSED_HEADER_BYTES)); // what it says is known at the end
  const hash = createHash("sha256");
  let begin = 0;
  for (const plain of blocksOf(layout)) {
    const end = begin + BLOCK_BYTES;
    const block = compressBlock(plain, base?.bytes.subarray(begin, end));
    const writing = writeAll(file, block);
    hash.update(block);
    await writing;
    begin = end;
  }
  const about = { plainBytes: layout.bytes, blocks: hash.digest("hex") };
  await file.seek(0, Deno.SeekMode.Start);
  await writeAll(
    file,
    encodeCompressedHeader(
      base === undefined
        ? { ...about, chain: 0 }
        : { ...about, chain: base.chain, base: base.digest },
    ),
  );
}

/**
 * The object as a base, if it can be one: it is readable, and its chain is not too
 * long already. Because it is read, it does not depend on an object that is missing or damaged: no
 * chain ends where it begins.
 */
export async function deltaBase(
  root: string,
  { digest, bytes }: FileRef,
): Promise<DeltaBase | undefined> {
  const chain = await chainOn(root, digest);
  if (chain > MAX_CHAIN) return undefined;
  const found = await readObject(root, digest, bytes);
  return found.type === "Object" ? { digest, bytes: found.bytes, chain } : undefined;
}

/** A plain object has no header, and no base. */
async function chainOn(root: string, digest: Digest): Promise<number> {
  const found = await readHeader(root, digest);
  return found.type === "Header" ? found.header.chain + 1 : 1;
}
