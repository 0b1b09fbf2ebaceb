import { type LeafPattern, matchesPath } from "./leaf_pattern.ts";
import type { Optimizer } from "./optimizer.ts";
import { leafFinder, leavesOf, mapNamed, maskTree, type Tree } from "./tree.ts";

/** Parameters that are updated in a way of their own. */
export interface ParameterGroup {
  /** What its state is kept under, in snapshots too. */
  readonly name: string;
  /** Which parameters, of those that no group before it has. */
  readonly leaves: LeafPattern;
  readonly optimizer: Optimizer;
  /** What the schedule's rate is multiplied by for this group; 1 unless it is given. */
  readonly rateFactor?: number;
}

/**
 * Updates each group of parameters with its own optimiser (optax's `multi_transform`, PyTorch's
 * `param_groups`). A parameter belongs to the first group whose pattern its path matches.
 *
 * The state is that of each group under its name. Each optimiser sees the parameters at their own
 * places, with empty branches where those of other groups are: a norm that it clips by is its group's.
 *
 * Throws a TypeError that names a parameter without a group, or a group without a parameter: a pattern
 * with a slip in it would otherwise train something in another way. Parameters that stay as they are need
 * no group: a task's `trainable` leaves them out.
 *
 * @example
 * ```ts
 * import { adamw, leavesOf, perGroup, sgd } from "foldlog";
 * import * as tf from "foldlog/tf";
 *
 * const optimizer = perGroup(
 *   { name: "embedding", leaves: /^w[tp]e\./, optimizer: sgd(), rateFactor: 0.1 },
 *   { name: "attention", leaves: "h.*.attn.*", optimizer: adamw(), rateFactor: 0.1 },
 *   { name: "rest", leaves: "*", optimizer: adamw({ weightDecay: 0.1 }) },
 * );
 * const weight = tf.scalar(1);
 * const state = optimizer.init({ wte: { weight }, h: [{ attn: { weight } }], ln_f: { weight } });
 * if (leavesOf(state)[0]?.[0] !== "attention.mu.h.0.attn.weight") throw new Error("another state");
 * ```
 */
export function perGroup(
  ...groups: readonly ParameterGroup[]
): Optimizer<{ readonly [group: string]: Tree }> {
  requireNames(groups);
  return {
    init(params) {
      const only = selectorOf(groups, params);
      return Object.fromEntries(
        groups.map(({ name, optimizer }) => [name, optimizer.init(only(name, params))]),
      );
    },
    update(gradients, state, params, context) {
      const only = selectorOf(groups, params);
      const results = groups.map(({ name, optimizer, rateFactor = 1 }) => {
        const own = { ...context, learningRate: context.learningRate * rateFactor };
        const before = state[name]!;
        return optimizer.update(only(name, gradients), before, only(name, params), own);
      });
      const updateAt = leafFinder(...results.map(({ updates }) => updates));
      return {
        updates: mapNamed(updateAt, gradients),
        state: Object.fromEntries(groups.map(({ name }, index) => [name, results[index]!.state])),
      };
    },
  };
}

/** What gives a group's part of any tree of the parameters' structure. */
function selectorOf(
  groups: readonly ParameterGroup[],
  params: Tree,
): (name: string, tree: Tree) => Tree {
  const names = new Map(leavesOf(params).map(([path]) => [path, groupOf(groups, path).name]));
  const used = new Set(names.values());
  const unused = groups.find(({ name }) => !used.has(name));
  if (unused !== undefined) {
    throw new TypeError(
      `Expected a parameter in every group, found none for "${unused.name}": ` +
        `${unused.leaves} matches none that the groups before it leave`,
    );
  }
  return (name, tree) => maskTree((path) => names.get(path) === name, tree);
}

function groupOf(groups: readonly ParameterGroup[], path: string): ParameterGroup {
  const group = groups.find(({ leaves }) => matchesPath(leaves, path));
  if (group !== undefined) return group;
  throw new TypeError(
    `Expected every parameter to be in a group, found that "${path}" matches none of ` +
      `${groups.map(({ leaves }) => leaves).join(", ")}: add a group, such as "*" as the last`,
  );
}

function requireNames(groups: readonly ParameterGroup[]): void {
  const names = groups.map(({ name }) => name);
  const odd = names.find((name, index) => !isName(name) || names.indexOf(name) !== index);
  if (odd === undefined) return;
  throw new TypeError(
    `Expected each group to have a name of its own, without a dot, found ${JSON.stringify(names)}`,
  );
}

/** Whether a state can be kept under this name, which becomes a part of paths. */
function isName(name: string): boolean {
  return name !== "" && !name.includes(".");
}
