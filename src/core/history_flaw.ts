import type { RunEvent } from "./event.ts";

/** The first event of a history that cannot be where it is. */
export interface HistoryFlaw {
  readonly position: number;
  readonly reason: string;
}

/**
 * Checks what every history promises: it begins with RunStarted, once, and holds each step once and
 * in order. A chain of digests alone cannot tell: whoever forges events can recompute it.
 */
export function historyFlaw(events: readonly RunEvent[]): HistoryFlaw | undefined {
  let step = 0;
  for (const [position, event] of events.entries()) {
    const starts = event.type === "RunStarted";
    if (starts !== (position === 0)) {
      return { position, reason: `expected RunStarted at position 0 and there alone` };
    }
    if (event.type === "StepTaken") {
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
  }
  return undefined;
}
