import type { RunConfig } from "./config.ts";
import {
  isStep,
  type RunEvent,
  type SnapshotPruned,
  stepEvent,
  type StepSkipped,
  type StepTaken,
} from "./event.ts";
import { evolve, initialState } from "./evolve.ts";
import { lossScaleAfter, type LossScaleAt } from "./loss_scale_rule.ts";
import { planEnds } from "./plan_ends.ts";

/** The first event of a history that cannot be where it is. */
export interface HistoryFlaw {
  readonly position: number;
  readonly reason: string;
}

/**
 * Checks what every history promises: it begins with RunStarted, once, holds each step once and in
 * order, skipped where its gradients tell so and at the loss scale that the steps before it lead to, and
 * is complete only where its plan ends. After that snapshots may be pruned, each that is kept once, and
 * nothing else happens. A chain of digests alone cannot tell: whoever forges events can
 * recompute it.
 */
export function historyFlaw(events: readonly RunEvent[]): HistoryFlaw | undefined {
  let step = 0;
  let state = initialState;
  let completed = false;
  let lossScale: LossScaleAt | undefined;
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
    if (event.type === "RunStarted") lossScale = initialLossScale(event.data.config);
    if (isStep(event)) {
      const reason = flawOfStep(event, step, lossScale);
      if (reason !== undefined) return { position, reason };
      lossScale = lossScale &&
        lossScaleAfter(lossScale, event.data.gradNorm, state.config!.lossScale);
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

function initialLossScale({ precision, lossScale }: RunConfig): LossScaleAt | undefined {
  return precision === "float32" ? undefined : { scale: lossScale.initial, finiteSteps: 0 };
}

/** What is wrong with a step that follows step `before`. */
function flawOfStep(
  { type, data }: StepTaken | StepSkipped,
  before: number,
  lossScale: LossScaleAt | undefined,
): string | undefined {
  if (data.step !== before + 1) return `expected step ${before + 1}, found ${data.step}`;
  if (data.lossScale !== lossScale?.scale) {
    const [expected, found] = [lossScale?.scale, data.lossScale].map((scale) => scale ?? "none");
    return `expected the loss scale ${expected} at step ${data.step}, found ${found}`;
  }
  const expected = stepEvent(data).type;
  if (type === expected) return undefined;
  return `expected ${expected} where the norm of the gradients is ${data.gradNorm}, found ${type}`;
}

/** A snapshot that is pruned is named by its step too: whoever folds the history looks at both. */
function nameOf({ step, snapshot }: SnapshotPruned["data"]): string {
  return `${step} ${snapshot}`;
}
