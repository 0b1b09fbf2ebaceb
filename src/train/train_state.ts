import type { LeafPattern } from "./leaf_pattern.ts";
import { initLossScale, type LossScale, type LossScaleOptions } from "./loss_scale.ts";
import { matchedPaths } from "./matched_paths.ts";
import type { Optimizer } from "./optimizer.ts";
import { scoped } from "./ownership.ts";
import { leafFinder, leavesOf, mapNamed, maskTree, type Tree, withPart } from "./tree.ts";

/** All that the next step depends on besides its batch; immutable. */
export interface TrainState<P extends Tree = Tree> {
  /** Steps so far, taken or skipped. */
  readonly step: number;
  /** All parameters, trained and frozen. */
  readonly params: P;
  /** Of the trained parameters. */
  readonly optimizer: Tree;
  /**
   * The average of the parameters over the steps, where one is kept. No step depends on it. Those that are
   * frozen are the very tensors of `params`.
   */
  readonly ema?: P;
  /** In mixed precision. */
  readonly lossScale?: LossScale;
  /** The paths of the parameters that no step changes; absent where all are trained. */
  readonly frozen?: ReadonlySet<string>;
}

/** What of a new state is not in its parameters. */
export interface TrainStateOptions {
  /** Whether an average of the parameters is kept. */
  readonly averaged?: boolean;
  /** The parameters that are trained; all, where it is left out. Each pattern matches at least one. */
  readonly trainable?: LeafPattern | readonly LeafPattern[];
  /** How the loss scale begins, in mixed precision. */
  readonly lossScale?: Pick<LossScaleOptions, "initial">;
}

/**
 * A state's tensors by the names of the groups that a snapshot stores them in: each once. In `model` and
 * `ema` empty branches are where frozen parameters would be, and in `base` where trained ones would.
 */
export type TensorTrees = {
  /** The trained parameters. */
  readonly model: Tree;
  readonly optimizer: Tree;
  readonly ema?: Tree;
  readonly loss_scale?: LossScale;
  /** The frozen parameters, where there are any. */
  readonly base?: Tree;
};

/**
 * The state at step 0. The caller owns its tensors; `init`'s result becomes part of it, twice where an
 * average is kept: that begins as the parameters themselves.
 *
 * @throws {TypeError} where nothing is trainable, or a pattern of `trainable` matches no parameter
 */
export function initialTrainState<P extends Tree>(
  init: () => P,
  optimizer: Optimizer,
  { averaged = false, trainable, lossScale }: TrainStateOptions = {},
): TrainState<P> {
  let frozen: ReadonlySet<string> | undefined;
  const { params, ...rest } = scoped(() => {
    const params = init();
    frozen = trainable === undefined ? undefined : pathsBeside([trainable].flat(), params);
    return {
      params,
      optimizer: optimizer.init(trainedPart(params, frozen)),
      ...(lossScale && { lossScale: initLossScale(lossScale) }),
    };
  });
  return { step: 0, params, ...rest, ...(averaged && { ema: params }), ...(frozen && { frozen }) };
}

/** The state's tensors as one tree, as ownership and snapshots see it. */
export function tensorsOf({ params, optimizer, ema, lossScale, frozen }: TrainState): TensorTrees {
  return {
    model: trainedPart(params, frozen),
    optimizer,
    ...(ema && { ema: trainedPart(ema, frozen) }),
    ...(lossScale && { loss_scale: lossScale }),
    ...(frozen && { base: maskTree((path) => frozen.has(path), params) }),
  };
}

/** The state with other tensors in place of its own: what `tensorsOf` takes apart is put together. */
export function withTensors<P extends Tree>(
  { step, params, ema, frozen }: TrainState<P>,
  { model, optimizer, ...trees }: TensorTrees,
): TrainState<P> {
  const whole = mapNamed(leafFinder(model, trees.base ?? {}), params);
  return {
    step,
    params: whole,
    optimizer,
    ...(ema && { ema: withPart(whole, trees.ema!) }),
    ...(trees.loss_scale && { lossScale: trees.loss_scale }),
    ...(frozen && { frozen }),
  };
}

/** A tree of the parameters' structure with empty branches in place of what is frozen. */
export function trainedPart(tree: Tree, frozen?: ReadonlySet<string>): Tree {
  return frozen === undefined ? tree : maskTree((path) => !frozen.has(path), tree);
}

/** The paths that none of the patterns means; undefined where there are none. */
function pathsBeside(
  patterns: readonly LeafPattern[],
  params: Tree,
): ReadonlySet<string> | undefined {
  const trained = matchedPaths("pattern of trainable", patterns, params);
  const frozen = leavesOf(params).map(([path]) => path).filter((path) => !trained.has(path));
  return frozen.length === 0 ? undefined : new Set(frozen);
}
