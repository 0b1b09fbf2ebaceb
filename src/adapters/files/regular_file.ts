const CHUNK = 4 * 2 ** 20;

/** What became of reading a file that may be anything. */
export type FileContent =
  | { readonly type: "Content"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "NoFile" }
  | { readonly type: "Misfit"; readonly reason: string };

/** The sizes that a file may have. */
export interface SizeRange {
  readonly least: number;
  readonly most: number;
}

/**
 * Reads a whole file whose size is as expected: memory is taken only for what is there.
 *
 * `onChunk` is told the bytes in order, each chunk while the next is on its way. Directories, pipes and
 * devices are misfits: reading some of them never ends.
 */
export async function readRegular(
  path: string,
  size: SizeRange,
  onChunk: (chunk: Uint8Array) => void = () => undefined,
): Promise<FileContent> {
  const found = await sizeOf(path);
  if (typeof found !== "number") return found;
  if (found < size.least || found > size.most) {
    return { type: "Misfit", reason: `expected ${shown(size)} bytes, found ${found}` };
  }
  const bytes = allocated(found);
  if (bytes === undefined) {
    return { type: "Misfit", reason: `expected a file that memory can hold, found ${found} bytes` };
  }
  using file = await Deno.open(path);
  const read = await fill(file, bytes, onChunk);
  if (read === found) return { type: "Content", bytes };
  return { type: "Misfit", reason: `expected ${found} bytes, found ${read}` };
}

/** Reads the first bytes of a file, fewer where it has no more. */
export async function readStart(path: string, bytes: number): Promise<FileContent> {
  const found = await sizeOf(path);
  if (typeof found !== "number") return found;
  using file = await Deno.open(path);
  const start = new Uint8Array(Math.min(bytes, found));
  const read = await fill(file, start, () => undefined);
  return { type: "Content", bytes: start.subarray(0, read) };
}

/** Memory of this size, or nothing where there is none. */
export function allocated(size: number): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(size);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | Exclude<FileContent, { type: "Content" }>> {
  try {
    const { isFile, size } = await Deno.stat(path);
    return isFile ? size : { type: "Misfit", reason: "it is no regular file" };
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors; // the second: a file stands above it
    if (error instanceof NotFound || error instanceof NotADirectory) return { type: "NoFile" };
    throw error;
  }
}

/** Reads until `bytes` are full or the file ends, and says how many were read. */
async function fill(
  file: Deno.FsFile,
  bytes: Uint8Array,
  onChunk: (chunk: Uint8Array) => void,
): Promise<number> {
  let told = 0;
  for (let read = 0; read < bytes.length;) {
    const reading = file.read(bytes.subarray(read, read + CHUNK));
    onChunk(bytes.subarray(told, read));
    told = read;
    const count = await reading;
    if (count === null) return read;
    read += count;
  }
  onChunk(bytes.subarray(told));
  return bytes.length;
}

function shown({ least, most }: SizeRange): string {
  return least === most ? String(most) : `${least} to ${most}`;
}
