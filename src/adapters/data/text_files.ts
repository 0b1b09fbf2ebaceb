import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { Digest } from "../../core/digest.ts";
import { matchingPaths } from "../files/matching_paths.ts";
import { openForReading } from "../files/positioned_file.ts";
import { isSystemError } from "../files/system_error.ts";
import type { ByteFile } from "./byte_files.ts";

/** Bytes that are hashed at once. */
const CHUNK = 2 ** 20;

/**
 * The files on disk that `pattern` matches (`*`, `?`), in sorted order. Each is read once, for its digest;
 * none stays open.
 *
 * @throws {RangeError} where the pattern matches nothing, or what cannot be read as a file
 */
export async function textFiles(pattern: string): Promise<readonly ByteFile[]> {
  try {
    return (await matchingPaths(pattern)).map(fileAt);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new RangeError(`Cannot read the text of ${pattern}: ${error.message}`);
  }
}

function fileAt(path: string): ByteFile {
  const { isFile, size } = Deno.statSync(path);
  if (!isFile) throw new RangeError(`Expected a text file at ${path}, found no regular file`);
  const open = () => openForReading(path);
  using file = open();
  return { name: basename(path), size, digest: digestOf(file.read, size), open };
}

function digestOf(
  read: (offset: number, bytes: Uint8Array) => number,
  size: number,
): Digest {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(Math.min(CHUNK, size));
  for (let offset = 0; offset < size; offset += chunk.length) {
    hash.update(chunk.subarray(0, read(offset, chunk)));
  }
  return hash.digest("hex");
}
