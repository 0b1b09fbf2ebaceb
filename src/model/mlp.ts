import * as tf from "@tensorflow/tfjs";
import type { RngKey } from "../core/rng_key.ts";
import { requireInteger } from "../core/require_integer.ts";
import { gelu } from "../train/kernels/gelu.ts";
import { drawnUniform } from "./drawn.ts";
import { affine, type Dense } from "./layers.ts";

/** Sizes of a multilayer perceptron. */
export interface MlpSizes {
  /** Numbers in a sample. */
  readonly inputs: number;
  /** Width of each hidden layer; none for a linear model. */
  readonly hidden: readonly number[];
  readonly outputs: number;
  readonly activation: "relu" | "gelu" | "tanh";
}

/** The layers in order, the output's last; weights are [in, out], PyTorch's transposed. */
export type MlpParams = { readonly layers: readonly Dense[] };

type Activation = (x: tf.Tensor2D) => tf.Tensor2D;

const ACTIVATIONS: Readonly<Record<MlpSizes["activation"], Activation>> = {
  relu: (x) => tf.relu(x),
  gelu: (x) => gelu(x),
  tanh: (x) => tf.tanh(x),
};

/** PyTorch's `calculate_gain`, which has none for GELU: that of ReLU, which it resembles, is taken. */
const GAINS: Readonly<Record<MlpSizes["activation"], number>> = {
  relu: Math.SQRT2,
  gelu: Math.SQRT2,
  tanh: 5 / 3,
};

/**
 * Initial parameters (He et al., 2015, "Delving deep into rectifiers"): weights uniform within
 * gain sqrt(3 / in), as PyTorch's `kaiming_uniform_` has them, so that activations keep their variance
 * through the layers; the output's gain is 1, and biases are zero. PyTorch's `nn.Linear` begins
 * otherwise, with a gain of sqrt(1 / 3) whatever follows.
 */
export function initMlp({ inputs, hidden, outputs, activation }: MlpSizes, key: RngKey): MlpParams {
  const widths = [inputs, ...hidden, outputs];
  widths.forEach((width, index) => requireInteger(`width ${index}`, width, 1));
  const layers = widths.slice(1).map((width, index) => {
    const gain = index < hidden.length ? GAINS[activation] : 1;
    const shape: [number, number] = [widths[index]!, width];
    const bound = gain * Math.sqrt(3 / shape[0]);
    return {
      weight: drawnUniform<tf.Rank.R2>(key, `layers.${index}`, shape, bound),
      bias: tf.zeros<tf.Rank.R1>([width]),
    };
  });
  return { layers };
}

/**
 * Logits [batch, outputs] of `inputs` [batch, inputs]: dense layers with the activation between them. What
 * they mean is the loss's matter: see `classificationLoss` and `regressionLoss`.
 *
 * @example A task whose data are "inputs" [batch, 2] and "targets" [batch] (int32).
 * ```ts
 * import { classificationLoss, initMlp, key, mlpLogits, type MlpParams } from "foldlog";
 * import { openDevice, orThrow } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * const sizes = { inputs: 2, hidden: [8, 8], outputs: 3, activation: "relu" } as const;
 * await orThrow(openDevice("cpu"));
 * const params = initMlp(sizes, key(42));
 * const loss = classificationLoss<MlpParams>((params, inputs) => mlpLogits(params, inputs, sizes));
 * const inputs = tf.tensor2d([[0, 1], [1, 0]]);
 * const value = loss(params, { inputs, targets: tf.tensor1d([2, 0], "int32") });
 * if (value.rank !== 0) throw new Error("not a scalar");
 * ```
 * @throws {RangeError} for inputs of another width
 */
export function mlpLogits(
  { layers }: MlpParams,
  inputs: tf.Tensor,
  { activation }: Pick<MlpSizes, "activation">,
): tf.Tensor2D {
  const width = layers[0]?.weight.shape[0];
  if (inputs.rank !== 2 || inputs.shape[1] !== width) {
    throw new RangeError(`Expected inputs [batch, ${width}], found [${inputs.shape}]`);
  }
  const activate = ACTIVATIONS[activation];
  return layers.reduce<tf.Tensor2D>(
    (x, layer, index) => affine(index === 0 ? x : activate(x), layer),
    inputs as tf.Tensor2D,
  );
}
