import type { DataCursor } from "./data_cursor.ts";
import { dataOrder } from "./data_order.ts";
import { lastUpTo } from "./last_up_to.ts";
import { key } from "./rng_key.ts";
import { checkpointName } from "./run_place.ts";
import type { RunState, SnapshotRef } from "./run_state.ts";

/** How far a run came in the files of its data. */
export interface FileProgress {
  /** Files that lie wholly before the data cursor, in the cursor's epoch. */
  readonly done: number;
  readonly of: number;
}

/**
 * How far a run is in the files of its data at a cursor. Undefined where its data is no files, or is not
 * read in order (`data.shuffle`).
 *
 * Takes O(files) for the run, and then O(log files) for a cursor. Where a fork leaves samples out, they
 * are passed over: a file of which only such samples are left is done.
 */
export function filesAt(
  { data, config, origin }: RunState,
): ((cursor: DataCursor) => FileProgress) | undefined {
  if (data?.files === undefined || config?.data.shuffle !== false) return undefined;
  const { samples, files } = data;
  let end = 0;
  const ends = files.map((file) => end += file.samples);
  const leftOut = origin?.leftOut;
  const order = leftOut &&
    dataOrder({ samples, key: key(config.seed), shuffle: false, leftOut });
  return (cursor) => {
    const { index } = order?.placeOf(cursor) ?? cursor;
    return { done: lastUpTo(ends, index) + 1, of: files.length };
  };
}

/** How far a run came in the files of its data: `filesAt` at its last step. */
export function fileProgress(state: RunState): FileProgress | undefined {
  return filesAt(state)?.(state.cursor);
}

/**
 * What the checkpoints of a run are called: "step-000800", or as `filesName` says of a run that reads files in
 * order.
 */
export function checkpointNames(
  state: RunState,
): (ref: Pick<SnapshotRef, "step" | "cursor">) => string {
  return filesName(state) ?? (({ step }) => checkpointName(step));
}

/**
 * What a checkpoint of a run that reads files in order is called, as trainers that stream files call theirs:
 * "checkpoint-epoch0-step800-files3". Undefined for a run that reads none.
 */
export function filesName(
  state: RunState,
): ((ref: Pick<SnapshotRef, "step" | "cursor">) => string) | undefined {
  const at = filesAt(state);
  return at &&
    (({ step, cursor }) => `checkpoint-epoch${cursor.epoch}-step${step}-files${at(cursor).done}`);
}
