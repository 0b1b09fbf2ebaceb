import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { adamw } from "../../src/train/adamw.ts";
import { chain } from "../../src/train/chain.ts";
import { clipByGlobalNorm } from "../../src/train/clip.ts";
import { type LeafPattern, matchesPath } from "../../src/train/leaf_pattern.ts";
import type { Optimizer } from "../../src/train/optimizer.ts";
import { scoped } from "../../src/train/ownership.ts";
import { perGroup } from "../../src/train/per_group.ts";
import { sgd } from "../../src/train/sgd.ts";
import { leavesOf, type Tree } from "../../src/train/tree.ts";
import { backendTest } from "../support/backends.ts";
import {
  adamInFloat64,
  assertClose,
  assertSteps,
  GRADIENTS,
  oneUpdate,
  updatesOf,
} from "../support/optimizer_steps.ts";

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "perGroup() gives each group its own optimiser and its factor of the rate",
    async () => {
      const coefficients = { beta1: 0.8, beta2: 0.95, epsilon: 1e-3 };
      const optimizer = perGroup(
        { name: "scalar", leaves: "a", optimizer: sgd() },
        { name: "vector", leaves: /^b$/, optimizer: sgd({ momentum: 0.9 }), rateFactor: 0.5 },
        { name: "rest", leaves: "*", optimizer: adamw(coefficients), rateFactor: 2 },
      );
      await assertSteps(optimizer, ({ gradient, rank, rate, step, memory }) => {
        if (rank === 0) return { update: -rate * gradient };
        if (rank >= 2) {
          const adam = adamInFloat64(gradient, memory, step, coefficients);
          return { update: -2 * rate * adam.update, memory: adam.memory };
        }
        const velocity = 0.9 * (memory[0] ?? 0) + gradient;
        return { update: -0.5 * rate * velocity, memory: [velocity] };
      });
    },
  );

  backendTest(
    backend,
    "perGroup() of one group has the bits of its optimiser alone",
    async () => {
      const alone = adamw({ weightDecay: 0.1 });
      const grouped = perGroup({ name: "all", leaves: "*", optimizer: alone });
      assert.deepEqual(await updatesOf(grouped), await updatesOf(alone));
    },
  );
}

backendTest("cpu", "perGroup() keeps states under the groups' names, at the leaves' paths", () => {
  const params = nested();
  const state = perGroup(
    { name: "embedding", leaves: "wte.*", optimizer: sgd() },
    { name: "attention", leaves: "h.*.attn.*", optimizer: adamw() },
    { name: "rest", leaves: "*", optimizer: sgd({ momentum: 0.9 }) },
  ).init(params);
  assert.deepEqual(leavesOf(state).map(([path]) => path), [
    "attention.mu.h.0.attn.weight",
    "attention.mu.h.1.attn.weight",
    "attention.nu.h.0.attn.weight",
    "attention.nu.h.1.attn.weight",
    "rest.0.h.0.bias",
    "rest.0.h.1.bias",
  ]);
  tf.dispose([params, state] as tf.TensorContainer);
});

backendTest("cpu", "perGroup() lets a group clip by the norm of its own gradients", async () => {
  const clipped = chain(clipByGlobalNorm(1), sgd());
  const updates = await oneUpdate(
    perGroup(
      { name: "vector", leaves: "b", optimizer: clipped },
      { name: "rest", leaves: "*", optimizer: sgd() },
    ),
    GRADIENTS[0]!,
  );
  const norm = Math.hypot(...GRADIENTS[0]!.b);
  updates.b.forEach((update, i) => assertClose(update, -GRADIENTS[0]!.b[i]! / norm, "b"));
  assert.deepEqual(updates.c, GRADIENTS[0]!.c.map((gradient) => Math.fround(-gradient)));
});

backendTest("cpu", "perGroup() asks for decay by the whole path of a parameter", () => {
  const params = nested();
  const asked: string[] = [];
  const decays = (path: string) => asked.push(path) > 0;
  const optimizer: Optimizer = perGroup(
    { name: "block", leaves: "h.1.*", optimizer: adamw({ weightDecay: 0.1, decays }) },
    { name: "rest", leaves: "*", optimizer: sgd() },
  );
  const state = optimizer.init(params);
  const next = scoped(() => optimizer.update(params, state, params, { step: 0, learningRate: 1 }));
  assert.deepEqual(asked, ["h.1.attn.weight", "h.1.bias"]);
  tf.dispose([params, state, next] as tf.TensorContainer);
});

backendTest("cpu", "perGroup() names a parameter that is in no group", () => {
  const params = nested();
  const optimizer = perGroup(
    { name: "attention", leaves: "h.*.attn.*", optimizer: sgd() },
    { name: "embedding", leaves: /^wte/, optimizer: sgd() },
  );
  assert.throws(() => optimizer.init(params), {
    name: "TypeError",
    message: 'Expected every parameter to be in a group, found that "h.0.bias" matches none of ' +
      'h.*.attn.*, /^wte/: add a group, such as "*" as the last',
  });
  tf.dispose(params as tf.TensorContainer);
});

backendTest("cpu", "perGroup() names a group that no parameter is left for", () => {
  const params = nested();
  for (const leaves of ["h.*.atn.*", /bias$/]) {
    const optimizer = perGroup(
      { name: "biases", leaves: "*.bias", optimizer: sgd() },
      { name: "second", leaves, optimizer: sgd() },
      { name: "rest", leaves: "*", optimizer: sgd() },
    );
    assert.throws(() => optimizer.init(params), {
      name: "TypeError",
      message: 'Expected a parameter in every group, found none for "second": ' +
        `${leaves} matches none that the groups before it leave`,
    });
  }
  tf.dispose(params as tf.TensorContainer);
});

Deno.test("perGroup() refuses names that two groups share, and names that are none in a path", () => {
  for (const names of [["a", "a"], ["a", ""], ["a.b"]]) {
    const groups = names.map((name) => ({ name, leaves: "*", optimizer: sgd() }));
    assert.throws(() => perGroup(...groups), {
      name: "TypeError",
      message: /^Expected each group to have a name of its own, without a dot, found \[/,
    });
  }
});

Deno.test("matchesPath() takes a text as a whole path in which * stands for any text", () => {
  const cases: readonly (readonly [LeafPattern, readonly string[], readonly string[]])[] = [
    ["*", ["", "wte.weight"], []],
    ["h.*.attn.*", ["h.0.attn.c_attn.weight", "h.11.attn.x"], ["h.0.mlp.x", "x.h.0.attn.y"]],
    ["*.bias", ["h.0.bias", "a.b.bias"], ["bias", "h.0.bias.x"]],
    ["w?e", ["w?e"], ["wte", "we"]],
    ["a.b", ["a.b"], ["aXb", "a.b.c"]],
    ["(a|b)[c]-{1}^$\\/+", ["(a|b)[c]-{1}^$\\/+"], ["a"]],
    [/attn/, ["h.0.attn.weight"], ["h.0.mlp"]],
    [/^h\.\d$/, ["h.3"], ["h.31"]],
  ];
  for (const [pattern, yes, no] of cases) {
    for (const path of yes) assert.ok(matchesPath(pattern, path), `${pattern} ${path}`);
    for (const path of no) assert.ok(!matchesPath(pattern, path), `${pattern} ${path}`);
  }
});

Deno.test("matchesPath() gives the same answer however often a global expression is asked", () => {
  for (const pattern of [/attn/g, /attn/gy, /h/y]) {
    const answers = ["h.0.attn", "attn.h", "h.0.attn", "attn.h", "h.0.attn"]
      .map((path) => matchesPath(pattern, path));
    assert.deepEqual(answers.slice(2, 4), answers.slice(0, 2), String(pattern));
    assert.equal(pattern.lastIndex, 0);
  }
});

function nested(): Tree {
  const block = () => ({ attn: { weight: tf.ones([2, 2]) }, bias: tf.ones([2]) });
  return { wte: { weight: tf.ones([3, 2]) }, h: [block(), block()] };
}
