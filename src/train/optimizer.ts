import type { Tree } from "./tree.ts";

/** What an optimiser may know besides gradients, its state and the parameters. */
export interface UpdateContext {
  /** Steps before this one, skipped ones too: bias corrections are derived from it, never stored. */
  readonly step: number;
  /** The schedule's value at `step`. */
  readonly learningRate: number;
}

/**
 * A transform of gradients into updates, with a state of its own (the shape of optax).
 *
 * `update` is pure: it borrows all of its arguments and owns what it returns. The last transform of
 * a chain returns what is added to the parameters.
 */
export interface Optimizer<S extends Tree = Tree> {
  init(params: Tree): S;
  update<P extends Tree>(
    gradients: P,
    state: S,
    params: P,
    context: UpdateContext,
  ): { readonly updates: P; readonly state: S };
}

/** An optimiser that keeps no state, made from a function of the gradients. */
export function stateless(
  f: <P extends Tree>(gradients: P, params: P, context: UpdateContext) => P,
): Optimizer<Record<string, never>> {
  return {
    init: () => ({}),
    update: (gradients, state, params, context) => ({
      updates: f(gradients, params, context),
      state,
    }),
  };
}
