import { lastUpTo } from "../../core/last_up_to.ts";
import { type TokenBatch, tokenBatch, type TokenWindow } from "./token_batch.ts";

/** A file that is open for a batch. */
export interface OpenWindows extends Disposable {
  /** The window of a sample of the file, by its number there. */
  readonly windowOf: (sample: number) => TokenWindow;
}

/**
 * Next-token windows of many files, in their order, with random access: `counts` says how many each has, and
 * `open` opens one. A batch opens each file that it has samples of once, found by bisection.
 */
export function windowsOfFiles(
  counts: readonly number[],
  context: number,
  open: (file: number) => OpenWindows,
): { readonly samples: number; readonly at: (numbers: readonly number[]) => TokenBatch } {
  let samples = 0;
  const starts = counts.map((count) => (samples += count) - count);
  return {
    samples,
    at(numbers) {
      const { batch, fill } = tokenBatch(numbers.length, context);
      const rows = numbers.map((number, row) => ({ row, number, of: lastUpTo(starts, number) }));
      for (const [of, own] of Map.groupBy(rows, ({ of }) => of)) {
        using file = open(of);
        for (const { row, number } of own) fill(row, file.windowOf(number - starts[of]!));
      }
      return batch;
    },
  };
}
