import { isStep, type RunEvent, type SnapshotPruned } from "./event.ts";
import { evolve, initialState } from "./evolve.ts";
import { planEnds } from "./plan_ends.ts";

/** The first event of a history that cannot be where it is. */
export interface HistoryFlaw {
  readonly position: number;
  readonly reason: string;
}

/**
 * Checks what every history promises: it begins with RunStarted, once, holds each step once and in
 * order, and is complete only where its plan ends. After that snapshots may be pruned, each that is
 * kept once, and nothing else happens. A chain of digests alone cannot tell: whoever forges events can
 * recompute it.
 */
export function historyFlaw(events: readonly RunEvent[]): HistoryFlaw | undefined {
  let step = 0;
  let state = initialState;
  let completed = false;
  const kept = new Set<string>();
  for (const [position, event] of events.entries()) {
    const starts = event.type === "RunStarted";
    if (starts !== (position === 0)) {
      return { position, reason: `expected RunStarted at position 0 and there alone` };
    }
    if (event.type === "SnapshotPruned") {
      if (!kept.delete(nameOf(event.data))) {
        return { position, reason: `expected SnapshotPruned of a snapshot that is kept` };
      }
      continue;
    }
    if (completed) {
      return { position, reason: `expected nothing after RunCompleted, found ${event.type}` };
    }
    if (isStep(event)) {
      if (event.data.step !== step + 1) {
        return { position, reason: `expected step ${step + 1}, found ${event.data.step}` };
      }
      step++;
    } else if ("step" in event.data && event.data.step !== step) {
      return {
        position,
        reason: `expected ${event.type} at step ${step}, found ${event.data.step}`,
      };
    }
    if (event.type === "SnapshotTaken") kept.add(nameOf(event.data));
    completed = event.type === "RunCompleted";
    if (completed && !planEnds(state)) {
      const last = state.config?.steps.max;
      return { position, reason: `expected RunCompleted at step ${last}, found it at ${step}` };
    }
    state = evolve(state, event);
  }
  return undefined;
}

/** A snapshot that is pruned is named by its step too: whoever folds the history looks at both. */
function nameOf({ step, snapshot }: SnapshotPruned["data"]): string {
  return `${step} ${snapshot}`;
}
