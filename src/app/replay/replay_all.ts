import * as E from "fp-ts/Either.js";
import type { ReplaySegment } from "../../core/replay_segments.ts";
import { fail } from "../../ports/attempt.ts";
import type { Reporter } from "../../ports/reporter.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { Plans } from "../training/plan.ts";
import type { RecordedRun } from "../reading/read_run.ts";
import { replaySegment, type SegmentReplay } from "./replay_segment.ts";
import type { SegmentWorkers } from "./segment_workers.ts";

/**
 * Recomputes these segments, each whatever came of the others, and gives what came of them in their
 * order. Workers get the longest first, so that they end at about the same time; without them one
 * follows the other in this thread.
 *
 * Fails with the first failure; no segment is begun after it.
 */
export async function replayAll(
  env: RunEnv,
  recorded: RecordedRun,
  plans: Plans,
  segments: readonly ReplaySegment[],
  workers?: SegmentWorkers,
): Promise<readonly SegmentReplay[]> {
  const { reporter } = env;
  const waiting = workers === undefined ? [...segments] : longestFirst(segments);
  const replays: SegmentReplay[] = [];
  let failed = false;

  async function replayNext(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined && !failed; next = waiting.shift()) {
      const result = workers === undefined
        ? await replaySegment(env, recorded, plans, next)()
        : await workers.replay(recorded.run, next, reporter)();
      if (E.isLeft(result)) {
        failed = true;
        return fail(result.left);
      }
      replays.push(result.right);
      tell(reporter, result.right, replays.length, segments.length);
    }
  }

  const count = Math.min(workers?.count ?? 1, segments.length);
  await Promise.all(Array.from({ length: count }, replayNext));
  return replays.sort((a, b) => a.number - b.number);
}

function longestFirst(segments: readonly ReplaySegment[]): ReplaySegment[] {
  return [...segments].sort((a, b) => (b.to - b.from) - (a.to - a.from));
}

function tell(
  reporter: Reporter | undefined,
  { number, from, to, compared, divergence, extra }: SegmentReplay,
  done: number,
  of: number,
): void {
  const differs = divergence?.step ?? (extra && to);
  const found = { number, from, to, compared, ...(differs !== undefined && { differs }) };
  reporter?.report({ type: "SegmentReplayed", ...found, done, of });
}
