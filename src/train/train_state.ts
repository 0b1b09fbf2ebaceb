import { initLossScale, type LossScale, type LossScaleOptions } from "./loss_scale.ts";
import type { Optimizer } from "./optimizer.ts";
import { scoped } from "./ownership.ts";
import type { Tree } from "./tree.ts";

/** All that the next step depends on besides its batch; immutable. */
export interface TrainState<P extends Tree = Tree> {
  /** Updates made so far. */
  readonly step: number;
  readonly params: P;
  readonly optimizer: Tree;
  /** The average of the parameters over the steps, where one is kept. No step depends on it. */
  readonly ema?: P;
  /** In mixed precision. */
  readonly lossScale?: LossScale;
}

/** A state's tensors by the names of the groups that a snapshot stores them in. */
export type TensorTrees<P extends Tree = Tree> = {
  readonly model: P;
  readonly optimizer: Tree;
  readonly ema?: P;
  readonly loss_scale?: LossScale;
};

/** What a state has besides its parameters and the optimiser's state. */
export interface StateOptions {
  /** Whether an average of the parameters is kept. */
  readonly averaged?: boolean;
  /** For mixed precision. */
  readonly lossScale?: LossScaleOptions;
}

/**
 * The state at step 0. The caller owns its tensors; `init`'s result becomes part of it, twice where an
 * average is kept: that begins as the parameters themselves.
 */
export function initialTrainState<P extends Tree>(
  init: () => P,
  optimizer: Optimizer,
  { averaged = false, lossScale }: StateOptions = {},
): TrainState<P> {
  const { params, ...rest } = scoped(() => {
    const params = init();
    return {
      params,
      optimizer: optimizer.init(params),
      ...(lossScale && { lossScale: initLossScale(lossScale) }),
    };
  });
  return { step: 0, params, ...rest, ...(averaged && { ema: params }) };
}

/** The state's tensors as one tree, as ownership and snapshots see it. */
export function tensorsOf<P extends Tree>(
  { params, optimizer, ema, lossScale }: TrainState<P>,
): TensorTrees<P> {
  return {
    model: params,
    optimizer,
    ...(ema && { ema }),
    ...(lossScale && { loss_scale: lossScale }),
  };
}

/** The state of a step that has these tensors. */
export function stateOfTensors<P extends Tree>(
  step: number,
  { model, optimizer, ema, loss_scale }: TensorTrees<P>,
): TrainState<P> {
  return {
    step,
    params: model,
    optimizer,
    ...(ema && { ema }),
    ...(loss_scale && { lossScale: loss_scale }),
  };
}
