import type { Optimizer } from "./optimizer.ts";
import { scoped } from "./ownership.ts";
import type { Tree } from "./tree.ts";

/** All that the next step depends on besides its batch; immutable. */
export interface TrainState<P extends Tree = Tree> {
  /** Updates made so far. */
  readonly step: number;
  readonly params: P;
  readonly optimizer: Tree;
}

/** The state at step 0. The caller owns its tensors; `init`'s result becomes part of it. */
export function initialTrainState<P extends Tree>(
  init: () => P,
  optimizer: Optimizer,
): TrainState<P> {
  const tensors = scoped(() => {
    const params = init();
    return { params, optimizer: optimizer.init(params) };
  });
  return { step: 0, ...tensors };
}

/** The state's tensors as one tree, as ownership and snapshots see it. */
export function tensorsOf(state: TrainState): { readonly params: Tree; readonly optimizer: Tree } {
  return { params: state.params, optimizer: state.optimizer };
}
