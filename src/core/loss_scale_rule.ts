import type { RunConfig } from "./config.ts";

/** The least and the largest loss scale: below, nothing is gained; above, nothing is left to save. */
export const LOSS_SCALES = { smallest: 1, largest: 2 ** 24 } as const;

/** The loss scale of a step, and how many steps in a row before it had finite gradients. */
export interface LossScaleAt {
  readonly scale: number;
  readonly finiteSteps: number;
}

/**
 * The loss scale after a step: halved where the norm of its gradients was not finite, doubled after
 * `growthInterval` steps in a row where it was (Micikevicius et al., 2018; the factors are PyTorch's). The
 * rule that a training follows on its device, as arithmetic, for whoever checks a history.
 */
export function lossScaleAfter(
  { scale, finiteSteps }: LossScaleAt,
  gradNorm: number,
  { growthInterval }: Pick<RunConfig["lossScale"], "growthInterval">,
): LossScaleAt {
  const { smallest, largest } = LOSS_SCALES;
  if (!Number.isFinite(gradNorm)) return { scale: Math.max(scale / 2, smallest), finiteSteps: 0 };
  if (finiteSteps + 1 < growthInterval) return { scale, finiteSteps: finiteSteps + 1 };
  return { scale: Math.min(scale * 2, largest), finiteSteps: 0 };
}
