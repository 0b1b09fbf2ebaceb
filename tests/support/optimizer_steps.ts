import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import type { Optimizer } from "../../src/train/optimizer.ts";
import { scoped } from "../../src/train/ownership.ts";
import { mapTree } from "../../src/train/tree.ts";

// Parameters of rank 0, 1, 2 and 3, and three steps' gradients for them. Expected values are those of
// the formulas in float64, written out below, within 1e-6 of their size.
export const SHAPES = { a: [], b: [3], c: [2, 2], d: [1, 2, 1] } as const;
export type Name = keyof typeof SHAPES;
export type Values = Readonly<Record<Name, readonly number[]>>;
export const NAMES = Object.keys(SHAPES) as readonly Name[];

export const PARAMS: Values = { a: [0.5], b: [1, -2, 0.25], c: [1.5, -0.5, 2, 0.125], d: [-1, 3] };
export const GRADIENTS: readonly Values[] = [
  { a: [0.1], b: [0.5, -1, 2], c: [-0.25, 0.75, 1e-3, -3], d: [0.6, 0.2] },
  { a: [-0.4], b: [1.5, 0.5, -1], c: [0.5, 0.25, 2e-3, 1], d: [-0.3, 0.9] },
  { a: [0], b: [-0.5, 0.125, 3], c: [0.1, -2, 4e-3, 2], d: [1.2, -0.7] },
];
export const RATES = [0.1, 0.05, 0.2];

/** What one element's update depends on, and what it leads to, in float64. */
export type Rule = (
  at: {
    readonly gradient: number;
    readonly param: number;
    readonly rank: number;
    readonly rate: number;
    readonly step: number;
    readonly memory: readonly number[];
  },
) => { readonly update: number; readonly memory?: readonly number[] };

/** Takes three steps from zero state and compares each update with the rule's. */
export async function assertSteps(optimizer: Optimizer, rule: Rule): Promise<void> {
  const expected = new Map<string, { param: number; memory: readonly number[] }>();
  for (const [step, updates] of (await updatesOf(optimizer)).entries()) {
    for (const name of NAMES) {
      GRADIENTS[step]![name].forEach((gradient, index) => {
        const key = `${name}[${index}]`;
        const { param, memory } = expected.get(key) ?? { param: PARAMS[name][index]!, memory: [] };
        const rank = SHAPES[name].length;
        const after = rule({ gradient, param, rank, rate: RATES[step]!, step, memory });
        assertClose(updates[name][index]!, after.update, `${key} at step ${step}`);
        expected.set(key, { param: param + after.update, memory: after.memory ?? [] });
      });
    }
  }
}

/** The updates of three steps from zero state, with the gradients and rates above. */
export async function updatesOf(
  optimizer: Optimizer,
  gradientsOf: readonly Values[] = GRADIENTS,
): Promise<readonly Values[]> {
  const all: Values[] = [];
  let params = treeOf(PARAMS);
  let state = optimizer.init(params);
  for (const [step, values] of gradientsOf.entries()) {
    const gradients = treeOf(values);
    const next = scoped(() => {
      const context = { step, learningRate: RATES[step]! };
      const { updates, state: after } = optimizer.update(gradients, state, params, context);
      const moved = mapTree((param, update) => tf.add(param, update), params, updates);
      return { updates, state: after, moved };
    });
    all.push(await valuesOf(next.updates));
    tf.dispose([params, state, gradients, next.updates] as tf.TensorContainer);
    params = next.moved;
    state = next.state;
  }
  tf.dispose([params, state] as tf.TensorContainer);
  return all;
}

/** Adam's algorithm 1, element by element; `memory` is the two moments. */
export function adamInFloat64(
  gradient: number,
  [mu = 0, nu = 0]: readonly number[],
  step: number,
  { beta1, beta2, epsilon }: {
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
  },
): { readonly update: number; readonly memory: readonly number[] } {
  const first = beta1 * mu + (1 - beta1) * gradient;
  const second = beta2 * nu + (1 - beta2) * gradient * gradient;
  const firstHat = first / (1 - Math.pow(beta1, step + 1));
  const secondHat = second / (1 - Math.pow(beta2, step + 1));
  return { update: firstHat / (Math.sqrt(secondHat) + epsilon), memory: [first, second] };
}

/** The updates of one step from zero state. */
export async function oneUpdate(
  optimizer: Optimizer,
  values: Values,
  learningRate = 1,
): Promise<Values> {
  const result = scoped(() => {
    const [params, gradients] = [treeOf(PARAMS), treeOf(values)];
    return optimizer.update(gradients, optimizer.init(params), params, { step: 0, learningRate })
      .updates;
  });
  const updates = await valuesOf(result);
  tf.dispose(result);
  return updates;
}

export async function read(tensor: tf.Tensor): Promise<readonly number[]> {
  return [...await tensor.data()];
}

export type TensorTree = Record<Name, tf.Tensor>;

export function treeOf(values: Values): TensorTree {
  const entries = NAMES.map((name) => [name, tf.tensor([...values[name]], [...SHAPES[name]])]);
  return Object.fromEntries(entries);
}

export async function valuesOf(tree: TensorTree): Promise<Values> {
  const entries: [Name, readonly number[]][] = [];
  for (const name of NAMES) entries.push([name, await read(tree[name])]);
  return Object.fromEntries(entries) as Values;
}

export function float32(values: Values): Values {
  const entries = NAMES.map((name) => [name, values[name].map(Math.fround)]);
  return Object.fromEntries(entries);
}

/** Within 1e-6 of the expected size. */
export function assertClose(actual: number, expected: number, what: string): void {
  const allowed = 1e-6 * Math.max(1e-3, Math.abs(expected));
  assert.ok(Math.abs(actual - expected) <= allowed, `${what}: ${actual}, not ${expected}`);
}
