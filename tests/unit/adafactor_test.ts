import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { adafactor, type AdafactorOptions } from "../../src/train/adafactor.ts";
import { leavesOf } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import {
  assertClose,
  GRADIENTS,
  NAMES,
  oneUpdate,
  PARAMS,
  RATES,
  SHAPES,
  treeOf,
  updatesOf,
} from "../support/optimizer_steps.ts";

for (const backend of BACKENDS) {
  for (
    const options of [
      {},
      { momentum: 0.9 },
      { weightDecay: 0.3, clipThreshold: 0.5, decayExponent: 0.6, epsilon: 1e-3 },
      { weightDecay: 0.1, momentum: 0.5, clipThreshold: 1e6 },
    ]
  ) {
    backendTest(
      backend,
      `adafactor(${JSON.stringify(options)}) is the paper's, in the memory of rows and columns`,
      async () => {
        const steps = await updatesOf(adafactor(options));
        for (const name of NAMES) {
          const gradients = GRADIENTS.map((values) => values[name]);
          const expected = inFloat64(SHAPES[name], PARAMS[name], gradients, options);
          steps.forEach((updates, step) => {
            updates[name].forEach((update, index) => {
              const what = `${name}[${index}] at step ${step}`;
              assertClose(update, expected[step]![index]!, what);
            });
          });
        }
      },
    );
  }

  backendTest(
    backend,
    "adafactor() of gradients whose squares are no float32 is finite, and of zeros zero",
    async () => {
      const values = {
        a: [1e-25],
        b: [0, 0, 0],
        c: [1e-25, -1e-25, 1e-25, 1e-25],
        d: [0, 0],
      };
      const updates = await oneUpdate(adafactor(), values, 0.5);
      assert.deepEqual([...updates.b, ...updates.d].map((x) => x + 0), [0, 0, 0, 0, 0]);
      for (const update of [...updates.a, ...updates.c]) assert.ok(Math.abs(update) <= 0.5);
    },
  );

  backendTest(
    backend,
    "adafactor() leaves rows and columns without a gradient alone, however large others are",
    async () => {
      const values = { ...GRADIENTS[0]!, c: [1e13, 0, 0, 0], d: [0, -1e18] };
      const updates = await oneUpdate(adafactor(), values, 0.5);
      const [first, ...zeros] = updates.c;
      assert.deepEqual([...zeros, updates.d[0]].map((x) => x! + 0), [0, 0, 0, 0]);
      assertClose(first!, -0.5, "c"); // of 2, clipped to a root mean square of 1: 4 elements
      assertClose(updates.d[1]!, 0.5, "d");
    },
  );

  backendTest(
    backend,
    "adafactor() makes NaN of a whole parameter whose gradient has one",
    async () => {
      const updates = await oneUpdate(adafactor(), { ...GRADIENTS[0]!, c: [1, NaN, 2, 3] });
      assert.deepEqual(updates.c, [NaN, NaN, NaN, NaN]);
      assert.ok(updates.b.every(Number.isFinite));
    },
  );
}

backendTest("cpu", "adafactor() keeps rows and columns from two dimensions on", () => {
  const params = treeOf(PARAMS);
  const shapes = (options: AdafactorOptions) => {
    const state = adafactor(options).init(params);
    const found = leavesOf(state).map(([path, { shape }]) => [path, shape]);
    tf.dispose(state as tf.TensorContainer);
    return Object.fromEntries(found);
  };
  const means = {
    "rows.c": [2],
    "rows.d": [1, 2],
    "columns.c": [2],
    "columns.d": [1, 1],
    "nu.a": [],
    "nu.b": [3],
  };
  assert.deepEqual(shapes({}), means);
  const mu = Object.fromEntries(NAMES.map((name) => [`mu.${name}`, [...SHAPES[name]]]));
  assert.deepEqual(shapes({ momentum: 0.9 }), { ...means, ...mu });
  tf.dispose(params);
});

/** Algorithms 4 and 5 in float64, with sums where the paper has them: the updates of one parameter. */
function inFloat64(
  shape: readonly number[],
  initial: readonly number[],
  gradients: readonly (readonly number[])[],
  options: AdafactorOptions,
): readonly (readonly number[])[] {
  const { decayExponent = 0.8, epsilon = 1e-30, clipThreshold = 1 } = options;
  const { momentum = 0, weightDecay = 0 } = options;
  const isMatrix = shape.length >= 2;
  const [n, m] = isMatrix ? shape.slice(-2) as [number, number] : [1, initial.length];
  const rowOf = (index: number) => Math.floor(index / m);
  const columnOf = (index: number) => Math.floor(index / (n * m)) * m + index % m;
  const matrixOf = (index: number) => Math.floor(index / (n * m));
  let squares = initial.map(() => 0);
  let mu = initial.map(() => 0);
  let params = initial;
  return gradients.map((gradient, step) => {
    // Row and column sums of a running mean are the running means of row and column sums.
    const beta2 = 1 - Math.pow(step + 1, -decayExponent);
    squares = squares.map((mean, i) => beta2 * mean + (1 - beta2) * (gradient[i]! ** 2 + epsilon));
    const [rows, columns, totals] = [rowOf, columnOf, matrixOf].map((of) => sumsBy(of, squares));
    const v = squares.map((square, i) =>
      isMatrix ? rows![rowOf(i)]! * columns![columnOf(i)]! / totals![matrixOf(i)]! : square
    );
    const u = gradient.map((g, i) => g / Math.sqrt(v[i]!));
    const rms = Math.sqrt(u.reduce((total, x) => total + x * x, 0) / u.length);
    mu = u.map((x, i) => {
      const moved = RATES[step]! * x / Math.max(1, rms / clipThreshold);
      return momentum * mu[i]! + (1 - momentum) * moved;
    });
    const decay = isMatrix ? RATES[step]! * weightDecay : 0;
    const updates = mu.map((x, i) => -x - decay * params[i]!);
    params = params.map((param, i) => param + updates[i]!);
    return updates;
  });
}

/** Sums of the values whose index has the same group. */
function sumsBy(groupOf: (index: number) => number, values: readonly number[]): readonly number[] {
  const sums: number[] = [];
  values.forEach((value, index) => {
    sums[groupOf(index)] = (sums[groupOf(index)] ?? 0) + value;
  });
  return sums;
}
