/** A file that is open for reading at any place, until it goes out of scope. */
export interface PositionedFile extends Disposable {
  /** Reads from `offset` on until `bytes` are full or the file ends, and says how many were read. */
  readonly read: (offset: number, bytes: Uint8Array) => number;
}

/**
 * Opens a file for positioned reads. They are synchronous: seeking and reading are one, whoever else reads
 * from the file, and a few kilobytes of a file that is read over and over are in the system's memory.
 */
export function openForReading(path: string): PositionedFile {
  const file = Deno.openSync(path);
  return {
    read(offset, bytes) {
      file.seekSync(offset, Deno.SeekMode.Start);
      let total = 0;
      while (total < bytes.length) {
        const count = file.readSync(bytes.subarray(total));
        if (count === null) break;
        total += count;
      }
      return total;
    },
    [Symbol.dispose]: () => file.close(),
  };
}
