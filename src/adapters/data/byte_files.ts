import { sha256 } from "../../codec/digest.ts";
import type { Digest } from "../../core/digest.ts";
import type { BatchSource } from "../../ports/batch_source.ts";
import type { PositionedFile } from "../files/positioned_file.ts";
import type { TokenBatch } from "./token_batch.ts";
import { windowsOfFiles } from "./windows_of_files.ts";

/** A file of bytes, wherever it is. */
export interface ByteFile {
  /** For people: see `DataFile`. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Of all of its bytes. */
  readonly digest: Digest;
  readonly open: () => PositionedFile;
}

/**
 * Next-token windows over the bytes of many files, in their order, none of which crosses from one file to
 * the next: sample i of a file reads `context` + 1 bytes from i * `context`, the first `context` as
 * `tokens` and the last as `targets`. What is left at the end of a file is too short for one and is not
 * used; a file may be too short altogether.
 *
 * A batch opens each file that it has samples of once, found by bisection, and reads just those: nothing is
 * kept but where the files' samples lie. The identity's digest is over the digests of the files, in order.
 *
 * @throws {RangeError} where there is not one whole window. `at` throws one for a file that has become shorter.
 */
export function byteFilesSource(
  name: string,
  files: readonly ByteFile[],
  context: number,
): BatchSource<TokenBatch> {
  const counts = files.map(({ size }) => Math.max(0, Math.floor((size - 1) / context)));
  const { samples, at } = windowsOfFiles(counts, context, (number) => {
    const file = files[number]!;
    const open = file.open();
    return {
      windowOf: (sample) => windowOf(file, open, sample * context, context + 1),
      [Symbol.dispose]: () => open[Symbol.dispose](),
    };
  });
  if (samples < 1) {
    const longest = Math.max(0, ...files.map(({ size }) => size));
    throw new RangeError(
      `Expected a file of at least ${context + 1} bytes in ${name} for a context of ${context}, ` +
        `found at most ${longest}`,
    );
  }
  return {
    identity: {
      name: `${name}, windows of ${context} bytes`,
      samples,
      digest: sha256(...files.map(({ digest }) => `${digest}\n`)),
      files: files.map(({ name }, number) => ({ name, samples: counts[number]! })),
    },
    at,
  };
}

/** Bytes that are in memory, as a file. Borrows them. */
export function memoryFile(name: string, content: Uint8Array): ByteFile {
  return {
    name,
    size: content.length,
    digest: sha256(content),
    open: () => ({
      read(offset, bytes) {
        const found = content.subarray(offset, offset + bytes.length);
        bytes.set(found);
        return found.length;
      },
      [Symbol.dispose]: () => undefined,
    }),
  };
}

function windowOf(
  { name }: ByteFile,
  { read }: PositionedFile,
  first: number,
  count: number,
): Uint8Array {
  const bytes = new Uint8Array(count);
  if (read(first, bytes) === count) return bytes;
  throw new RangeError(
    `Expected ${count} bytes of ${name} from byte ${first} on, found the end of the file: it has ` +
      "become shorter",
  );
}
