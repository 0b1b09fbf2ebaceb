import type { RunConfig } from "../core/config.ts";
import { adafactor } from "./adafactor.ts";
import { adam, adamw } from "./adamw.ts";
import { clipByGlobalNorm, clipByValue } from "./clip.ts";
import { lion } from "./lion.ts";
import type { Optimizer } from "./optimizer.ts";
import { sgd } from "./sgd.ts";

/**
 * The optimiser that a config describes, clipping included: by value first, so that one wild element
 * does not make all others small, then by norm.
 */
export function optimizerOf(config: Pick<RunConfig, "optimizer" | "clip">): Optimizer {
  const { norm, value } = config.clip;
  const clips = [
    ...(value > 0 ? [clipByValue(value)] : []),
    ...(norm > 0 ? [clipByGlobalNorm(norm)] : []),
  ];
  return clipped(clips, named(config.optimizer));
}

/** Clips have no state: with them or without them that of the optimiser has the same paths. */
function clipped(clips: readonly Optimizer[], optimizer: Optimizer): Optimizer {
  return {
    init: (params) => optimizer.init(params),
    update(gradients, state, params, context) {
      const before = clips.reduce(
        (updates, clip) => clip.update(updates, {}, params, context).updates,
        gradients,
      );
      return optimizer.update(before, state, params, context);
    },
  };
}

function named(options: RunConfig["optimizer"]): Optimizer {
  switch (options.name) {
    case "sgd":
      return sgd(options);
    case "adam":
      return adam(options);
    case "adamw":
      return adamw(options);
    case "lion":
      return lion(options);
    case "adafactor": {
      const { momentum, weightDecay } = options; // not epsilon, which is Adam's: 1e-8 of a root
      return adafactor({ momentum, weightDecay });
    }
    default:
      return options.name satisfies never;
  }
}
