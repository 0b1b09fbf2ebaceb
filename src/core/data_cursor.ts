/**
 * A position in the data: `index` samples of epoch `epoch` are consumed.
 *
 * An epoch is one pass over all samples that the `DataOrder` has in it. The end of an epoch is index 0
 * of the next one, so every position has one cursor. Two integers are all that a resume needs: nothing
 * is skipped or replayed.
 */
export interface DataCursor {
  readonly epoch: number;
  readonly index: number;
}

/** The position before the first sample. */
export const startOfData: DataCursor = { epoch: 0, index: 0 };
