import { type RunConfig, scheduleSteps } from "./config.ts";
import {
  constant,
  cosineDecay,
  joinSchedules,
  linearWarmup,
  type Schedule,
  stepDecay,
  warmupStableDecay,
} from "./schedule.ts";

/**
 * The schedule that a config describes: the learning rate of the update that turns state n into
 * state n + 1.
 */
export function scheduleOf(
  config: Pick<RunConfig, "optimizer" | "schedule" | "steps">,
): Schedule {
  const { learningRate } = config.optimizer;
  const { warmupSteps, name, factor, every } = config.schedule;
  if (name === "warmupStableDecay") {
    const length = scheduleSteps(config);
    const decaySteps = Math.min(every, Math.max(1, length - warmupSteps));
    const stableSteps = Math.max(0, length - warmupSteps - decaySteps);
    const floor = learningRate * factor;
    return warmupStableDecay({ peak: learningRate, warmupSteps, stableSteps, decaySteps, floor });
  }
  if (warmupSteps === 0) return afterWarmup(config);
  const warmup = linearWarmup({ from: 0, to: learningRate, steps: warmupSteps });
  return joinSchedules([warmup, afterWarmup(config)], [warmupSteps]);
}

function afterWarmup(config: Pick<RunConfig, "optimizer" | "schedule" | "steps">): Schedule {
  const { learningRate } = config.optimizer;
  const { warmupSteps, name, factor, every } = config.schedule;
  switch (name) {
    case "cosine": {
      const steps = Math.max(1, scheduleSteps(config) - warmupSteps);
      return cosineDecay({ from: learningRate, to: learningRate * factor, steps });
    }
    case "step":
      return stepDecay({ from: learningRate, factor, every });
    default:
      return constant(learningRate);
  }
}
