import { describeError } from "../errors/describe_error.ts";
import type { SegmentReplay } from "./replay_segment.ts";
import type { Problem } from "../upkeep/verify_run.ts";

/** The difference of the lowest step that the recomputed segments met, as a problem; none where all is equal. */
export function replayProblem(replays: readonly SegmentReplay[]): Problem | undefined {
  const problems = replays.flatMap((replay) => problemOf(replay) ?? [])
    .sort((a, b) => a.step - b.step);
  const [first, ...others] = problems;
  if (first === undefined || others.length === 0) return first;
  const steps = others.map(({ step }) => step).join(", ");
  const more = `Segments that begin after it differ too, the first time at step ${steps}`;
  return { ...first, message: `${first.message}\n${more}` };
}

function problemOf(
  { to, divergence, extra }: SegmentReplay,
): (Problem & { readonly step: number }) | undefined {
  if (divergence !== undefined) {
    const { step, leaves } = divergence;
    const named = leaves.length > 0 && { leaves };
    return { type: "Diverged", step, message: describeError(divergence), ...named };
  }
  if (extra === undefined) return undefined;
  const message = `The log has ${extra.type} after step ${to}, which no recomputation makes`;
  return { type: "HistoryFlawed", step: to, message };
}
