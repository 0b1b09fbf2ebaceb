import type { RunConfig } from "../core/config.ts";
import { adamw } from "./adamw.ts";
import { chain } from "./chain.ts";
import { clipByGlobalNorm } from "./clip.ts";
import type { Optimizer } from "./optimizer.ts";
import { sgd } from "./sgd.ts";

/** The optimiser that a config describes, clipping included. */
export function optimizerOf(config: Pick<RunConfig, "optimizer" | "clip">): Optimizer {
  const { norm } = config.clip;
  const optimizer = named(config.optimizer);
  return norm > 0 ? chain(clipByGlobalNorm(norm), optimizer) as Optimizer : optimizer;
}

function named(options: RunConfig["optimizer"]): Optimizer {
  switch (options.name) {
    case "sgd":
      return sgd(options);
    case "adamw":
      return adamw(options) as Optimizer;
    default:
      return options.name satisfies never;
  }
}
