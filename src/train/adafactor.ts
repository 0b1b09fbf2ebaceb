import * as tf from "@tensorflow/tfjs";
import { sumSquares } from "./kernels/sum_squares.ts";
import { mixed } from "./mixed.ts";
import type { Optimizer } from "./optimizer.ts";
import { scoped } from "./ownership.ts";
import { leafFinder, mapNamed, mapTree, maskTree, type Tree, withLeaves } from "./tree.ts";
import { decayOf, type DecayOptions, hasTwoDimensions } from "./weight_decay.ts";
import { zerosLike } from "./zeros.ts";

/** The coefficients of Adafactor; the defaults are the paper's. */
export interface AdafactorOptions extends DecayOptions {
  /** At update t, counted from 1, the means of the squares keep 1 - t^-decayExponent of themselves. */
  readonly decayExponent?: number;
  /** Added to the squares. */
  readonly epsilon?: number;
  /** The largest root mean square of a parameter's update, before the learning rate. */
  readonly clipThreshold?: number;
  /** Share of the updates' running mean that is kept; 0 keeps no such mean, and no memory for it. */
  readonly momentum?: number;
}

/**
 * Running means of the squared gradients: of each row and each column where a parameter has two or more
 * dimensions, of each element (nu) where it has fewer; and of the updates (mu), where there is momentum.
 */
export type AdafactorState = {
  readonly rows: Tree;
  readonly columns: Tree;
  readonly nu: Tree;
  readonly mu: Tree;
};

/**
 * Adafactor (Shazeer and Stern, 2018, algorithms 4 and 5), learning rate included: Adam's second moment in
 * the memory of its rows and columns.
 *
 * For G [..., n, m], the mean R over each row and C over each column of G^2 + epsilon, the estimate of the
 * second moment is V = R C / mean(R); U = G / sqrt(V), scaled down to a root mean square of at most
 * `clipThreshold`, is the step. Leading dimensions are so many matrices.
 *
 * The schedule alone rules the rate: the paper's relative step, and its scaling by the parameter's own
 * size, are left out. Momentum is a mean of updates with their rates, as in the authors' code
 * (Tensor2Tensor); the paper has none. Decay is decoupled, as AdamW's.
 *
 * @example
 * ```ts
 * import { adafactor } from "foldlog";
 *
 * const { rows, columns } = adafactor({ momentum: 0.9 }).init({});
 * if (Object.keys({ ...rows, ...columns }).length !== 0) throw new Error("no parameters, no means");
 * ```
 */
export function adafactor(options: AdafactorOptions = {}): Optimizer<AdafactorState> {
  const { decayExponent = 0.8, epsilon = 1e-30, clipThreshold = 1 } = options;
  const { momentum = 0 } = options;
  const decayAt = decayOf(options);
  return {
    init: (params) => ({ ...zeroMeans(params), mu: momentum > 0 ? zerosLike(params) : {} }),
    update(gradients, state, params, { step, learningRate }) {
      const beta2 = 1 - (step + 1) ** -decayExponent;
      const { scaled, ...means } = scaleByMeans(gradients, state, beta2, epsilon);
      const steps = mapTree(
        (x) => scoped(() => tf.mul(clippedToRms(x, clipThreshold), learningRate)),
        scaled,
      );
      const mu = momentum > 0
        ? mapTree((step, before) => scoped(() => mixed(before!, step, momentum)), steps, state.mu)
        : state.mu;
      const updates = mapNamed(
        (path, step, param) => {
          const rate = learningRate * decayAt(path, param!);
          return scoped(() => tf.neg(rate > 0 ? tf.add(step, tf.mul(param!, rate)) : step));
        },
        momentum > 0 ? mu as typeof steps : steps,
        params,
      );
      return { updates, state: { ...means, mu } };
    },
  };
}

type Means = Omit<AdafactorState, "mu">;

function zeroMeans(params: Tree): Means {
  const matrices = maskTree(hasTwoDimensions, params);
  return {
    rows: mapTree(({ shape }) => tf.zeros(shape.slice(0, -1)), matrices),
    columns: mapTree(({ shape }) => tf.zeros([...shape.slice(0, -2), shape.at(-1)!]), matrices),
    nu: zerosLike(maskTree((path, leaf) => !hasTwoDimensions(path, leaf), params)),
  };
}

/** Gradients over the roots of the new means of their squares, and these means. */
function scaleByMeans<P extends Tree>(
  gradients: P,
  state: Means,
  beta2: number,
  epsilon: number,
): Means & { readonly scaled: P } {
  const rowsAt = leafFinder(state.rows);
  const columnsAt = leafFinder(state.columns);
  const nuAt = leafFinder(state.nu);
  const rows: tf.Tensor[] = [];
  const columns: tf.Tensor[] = [];
  const nus: tf.Tensor[] = [];
  const scaled = mapNamed((path, gradient) => {
    const squares = () => tf.add(tf.square(gradient), epsilon);
    if (!hasTwoDimensions(path, gradient)) {
      const nu = scoped(() => mixed(nuAt(path), squares(), beta2));
      nus.push(nu);
      return scoped(() => tf.div(gradient, tf.sqrt(nu)));
    }
    const next = scoped(() => {
      const now = squares();
      return {
        row: mixed(rowsAt(path), tf.mean(now, -1), beta2),
        column: mixed(columnsAt(path), tf.mean(now, -2), beta2),
      };
    });
    rows.push(next.row);
    columns.push(next.column);
    return scoped(() => overFactors(gradient, next.row, next.column));
  }, gradients);
  return {
    scaled,
    rows: withLeaves(state.rows, rows),
    columns: withLeaves(state.columns, columns),
    nu: withLeaves(state.nu, nus),
  };
}

/**
 * G / sqrt(R C / mean(R)), as (G / sqrt(R)) (sqrt(mean(R)) / sqrt(C)): where a row or a column has no
 * gradient, R C and R / mean(R) can be too small for a float32, and G over their roots NaN.
 */
function overFactors(gradient: tf.Tensor, row: tf.Tensor, column: tf.Tensor): tf.Tensor {
  const overRows = tf.div(gradient, tf.expandDims(tf.sqrt(row), -1));
  const overColumns = tf.div(tf.sqrt(tf.mean(row, -1, true)), tf.sqrt(column));
  return tf.mul(overRows, tf.expandDims(overColumns, -2));
}

function clippedToRms(x: tf.Tensor, threshold: number): tf.Tensor {
  const rms = tf.sqrt(tf.div(sumSquares(x), x.size));
  return tf.div(x, tf.maximum(tf.div(rms, threshold), 1));
}
