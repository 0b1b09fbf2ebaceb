import { createHash } from "node:crypto";
import { setImmediate } from "node:timers";
import { BLOCK_BYTES } from "../../codec/compressed_header.ts";
import type { SafetensorsLayout } from "../../codec/safetensors.ts";
import type { Digest } from "../../core/digest.ts";
import { bytesOf } from "../../core/host_tensor.ts";

/**
 * The bytes of a safetensors file in blocks, the last one shorter, without putting the file together:
 * a block within one tensor is a view of it.
 */
export function* blocksOf({ header, tensors, bytes }: SafetensorsLayout): Generator<Uint8Array> {
  const rest = [header, ...tensors.map(([, tensor]) => bytesOf(tensor))].reverse();
  for (let begin = 0; begin < bytes; begin += BLOCK_BYTES) {
    const parts: Uint8Array[] = [];
    for (let missing = Math.min(BLOCK_BYTES, bytes - begin); missing > 0;) {
      const next = rest.pop()!;
      if (next.length > missing) rest.push(next.subarray(missing));
      const part = next.subarray(0, missing);
      if (part.length > 0) parts.push(part);
      missing -= part.length;
    }
    yield parts.length === 1 ? parts[0]! : joined(parts);
  }
}

/** The digest of a file, computed while `write` is busy with its blocks, one after the other. */
export async function digestBlocks(
  layout: SafetensorsLayout,
  write: (block: Uint8Array) => Promise<void> = takeTurn,
): Promise<Digest> {
  const hash = createHash("sha256");
  for (const block of blocksOf(layout)) {
    const writing = write(block);
    hash.update(block);
    await writing;
  }
  return hash.digest("hex");
}

/** Lets the other work of this thread go on. */
function takeTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const block = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    block.set(part, at);
    at += part.length;
  }
  return block;
}
