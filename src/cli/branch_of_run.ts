import type { RecordedRun } from "../app/read_run.ts";
import { abandonedBranches, livePath } from "../core/live_path.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import { UsageError } from "./usage_error.ts";

/** The events that lead to the end of a branch of a run: the Nth that it left, or the live one. */
export function branchOfRun(
  { run, events }: Pick<RecordedRun, "run" | "events">,
  branch: number | undefined,
): readonly RecordedEvent[] {
  if (branch === undefined) return livePath(events);
  const branches = abandonedBranches(events);
  const found = branches[branch - 1];
  if (found !== undefined) return found.path;
  throw new UsageError(
    branches.length === 0
      ? `Run "${run}" never went back: it has no other branch than the live one.`
      : `Expected --branch to be from 1 to ${branches.length}, the branches that run "${run}" has ` +
        `left, found ${branch}.`,
  );
}
