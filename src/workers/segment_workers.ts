import * as E from "fp-ts/Either.js";
import { thread } from "../adapters/file_objects/thread.ts";
import type { RunError } from "../app/errors/errors.ts";
import type { SegmentWorkers } from "../app/replay/segment_workers.ts";
import { requireInteger } from "../core/require_integer.ts";
import type { Notice } from "../ports/reporter.ts";
import type { ReplayAnswer, ReplayRequest, WorkerMeans } from "./replay_request.ts";

/** What segment workers are opened with. */
export interface SegmentWorkersOptions extends WorkerMeans {
  /** How many there are: as many as the machine has cores, at most. */
  readonly count: number;
}

/**
 * Threads that recompute segments of the runs of a file store, each with a device and a task of its own.
 * Each begins with the first segment that it gets. Close them in the end.
 *
 * A worker that throws or ends fails its segment with WorkerFailed; a module without the task fails it
 * with TaskUnusable.
 *
 * @throws {RangeError} unless `count` is a positive integer
 */
export function segmentWorkers({ count, ...means }: SegmentWorkersOptions): SegmentWorkers {
  requireInteger("count", count, 1);
  const workers = Array.from({ length: count }, () => ({
    thread: thread<ReplayRequest, ReplayAnswer, Notice>(
      new URL("./replay_worker.ts", import.meta.url),
      "recomputes steps",
    ),
    waiting: 0,
  }));
  let closed = false;
  return {
    count,
    replay: (run, segment, reporter) => async () => {
      const worker = workers.reduce((a, b) => b.waiting < a.waiting ? b : a);
      worker.waiting++;
      try {
        if (closed) throw new Error("the workers are closed");
        const told = (notice: Notice) => reporter?.report(notice);
        return await worker.thread.ask({ means, run, segment }, [], told);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const { from, to } = segment;
        return E.left<RunError>({ type: "WorkerFailed", run, from, to, reason });
      } finally {
        worker.waiting--;
      }
    },
    close: async () => {
      closed = true;
      await Promise.all(workers.map(({ thread }) => thread.end()));
    },
  };
}
