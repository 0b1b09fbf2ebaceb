import assert from "node:assert/strict";
import * as tf from "foldlog/tf";
import { defaultConfig, type OptimizerName, type RunConfig } from "../../src/core/config.ts";
import { adafactor } from "../../src/train/adafactor.ts";
import { adam, adamw, scaleByAdam } from "../../src/train/adamw.ts";
import { chain } from "../../src/train/chain.ts";
import { addDecayedWeights } from "../../src/train/decayed_weights.ts";
import { clipByGlobalNorm, clipByValue, globalNorm } from "../../src/train/clip.ts";
import { lion } from "../../src/train/lion.ts";
import { type Optimizer, stateless } from "../../src/train/optimizer.ts";
import { optimizerOf } from "../../src/train/optimizer_of.ts";
import { perGroup } from "../../src/train/per_group.ts";
import { scoped } from "../../src/train/ownership.ts";
import { scaleByLearningRate, sgd, trace } from "../../src/train/sgd.ts";
import { leavesOf, mapTree, type Tree } from "../../src/train/tree.ts";
import { BACKENDS } from "../../src/adapters/device/backend_choice.ts";
import { backendTest } from "../support/backends.ts";
import {
  adamInFloat64,
  assertClose,
  assertSteps,
  float32,
  GRADIENTS,
  type Name,
  NAMES,
  oneUpdate,
  PARAMS,
  read,
  SHAPES,
  type TensorTree,
  treeOf,
  updatesOf,
  type Values,
  valuesOf,
} from "../support/optimizer_steps.ts";

for (const backend of BACKENDS) {
  backendTest(backend, "sgd() adds minus the learning rate times the gradient", async () => {
    await assertSteps(sgd(), ({ gradient, rate }) => ({ update: -rate * gradient }));
  });

  backendTest(
    backend,
    "sgd() with momentum keeps its share of the velocity and adds the gradient",
    async () => {
      await assertSteps(sgd({ momentum: 0.9 }), ({ gradient, rate, memory: [velocity = 0] }) => {
        const next = 0.9 * velocity + gradient;
        return { update: -rate * next, memory: [next] };
      });
    },
  );

  backendTest(
    backend,
    "sgd() with Nesterov's momentum moves by the gradient and what the velocity will be",
    async () => {
      const optimizer = sgd({ momentum: 0.9, nesterov: true });
      await assertSteps(optimizer, ({ gradient, rate, memory: [velocity = 0] }) => {
        const next = 0.9 * velocity + gradient;
        return { update: -rate * (gradient + 0.9 * next), memory: [next] };
      });
    },
  );

  backendTest(
    backend,
    "sgd() after addDecayedWeights() has coupled decay: it is part of the velocity",
    async () => {
      const optimizer = chain(addDecayedWeights(0.3, () => true), sgd({ momentum: 0.9 }));
      await assertSteps(optimizer, ({ gradient, param, rate, memory: [velocity = 0] }) => {
        const next = 0.9 * velocity + gradient + 0.3 * param;
        return { update: -rate * next, memory: [next] };
      });
    },
  );

  backendTest(
    backend,
    "adamw() takes Adam's step and decays parameters of two or more dimensions",
    async () => {
      const options = { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.3 };
      await assertSteps(adamw(options), ({ gradient, rate, param, rank, memory, step }) => {
        const adam = adamInFloat64(gradient, memory, step, options);
        const decay = rank >= 2 ? 0.3 * param : 0;
        return { update: -rate * (adam.update + decay), memory: adam.memory };
      });
    },
  );

  backendTest(
    backend,
    "adamw() has the paper's coefficients and no decay unless told otherwise",
    async () => {
      await assertSteps(adamw(), ({ gradient, rate, memory, step }) => {
        const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        const adam = adamInFloat64(gradient, memory, step, options);
        return { update: -rate * adam.update, memory: adam.memory };
      });
    },
  );

  backendTest(backend, "adam() has no decay, even where its options name one", async () => {
    const options = { beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.3 };
    await assertSteps(adam(options), ({ gradient, rate, memory, step }) => {
      const adam = adamInFloat64(gradient, memory, step, options);
      return { update: -rate * adam.update, memory: adam.memory };
    });
  });

  backendTest(
    backend,
    "scaleByAdam() derives its bias corrections from the step alone",
    async () => {
      const options = { beta1: 0.8, beta2: 0.95, epsilon: 1e-8 };
      const optimizer = scaleByAdam(options);
      const [mu, nu, gradient] = [[0.3, -0.2], [0.04, 0.09], [0.5, -1]];
      for (const step of [0, 1, 10, 1000]) {
        const { updates, state } = scoped(() =>
          optimizer.update(
            { w: tf.tensor1d(gradient!) },
            { mu: { w: tf.tensor1d(mu!) }, nu: { w: tf.tensor1d(nu!) } },
            { w: tf.tensor1d([0, 0]) },
            { step, learningRate: 1 },
          )
        );
        const changes = await read(updates.w);
        const moments = [await read(leafAt(state, "mu.w")), await read(leafAt(state, "nu.w"))];
        gradient!.forEach((gradient, index) => {
          const expected = adamInFloat64(gradient, [mu![index]!, nu![index]!], step, options);
          assertClose(changes[index]!, expected.update, `update at step ${step}`);
          assertClose(moments[0]![index]!, expected.memory[0]!, "mu");
          assertClose(moments[1]![index]!, expected.memory[1]!, "nu");
        });
        tf.dispose([updates, state] as tf.TensorContainer);
      }
    },
  );

  backendTest(
    backend,
    "clipByGlobalNorm() leaves gradients up to its norm bit for bit",
    async () => {
      const norm = Math.hypot(...NAMES.flatMap((name) => GRADIENTS[0]![name]));
      for (const maxNorm of [norm * 1.001, norm * 7, 1e30]) {
        assert.deepEqual(await clipped(GRADIENTS[0]!, maxNorm), float32(GRADIENTS[0]!));
      }
    },
  );

  backendTest(
    backend,
    "clipByGlobalNorm() scales gradients beyond its norm down to it, all alike",
    async () => {
      const norm = Math.hypot(...NAMES.flatMap((name) => GRADIENTS[0]![name]));
      for (const maxNorm of [norm * 0.999, 1, 1e-3]) {
        const result = await clipped(GRADIENTS[0]!, maxNorm);
        for (const name of NAMES) {
          result[name].forEach((value, index) => {
            assertClose(value, GRADIENTS[0]![name][index]! * maxNorm / norm, name);
          });
        }
      }
    },
  );

  backendTest(backend, "clipByGlobalNorm() leaves a gradient of zeros alone", async () => {
    const zeros = { a: [0], b: [0, 0, 0], c: [0, 0, 0, 0], d: [0, 0] };
    assert.deepEqual(await clipped(zeros, 1), zeros);
    assert.deepEqual(await clipped(zeros, 1e-30), zeros);
  });

  backendTest(
    backend,
    "clipByGlobalNorm() makes every update NaN where one gradient is NaN",
    async () => {
      const all = await clipped({ ...GRADIENTS[0]!, b: [0.5, NaN, 2] }, 1);
      for (const name of NAMES) assert.ok(all[name].every(Number.isNaN), name);
    },
  );

  backendTest(
    backend,
    "clipByValue() brings elements into its range, and leaves those in it bit for bit",
    async () => {
      const values = { a: [0.5], b: [1, -1, 1.5], c: [-0, 1e-30, -7, Infinity], d: [-Infinity, 0] };
      assert.deepEqual(await oneUpdate(clipByValue(1), values), {
        a: [0.5],
        b: [1, -1, 1],
        c: [-0, Math.fround(1e-30), -1, 1],
        d: [-1, 0],
      });
    },
  );

  backendTest(backend, "clipByValue() leaves NaN as it is, and the others alone", async () => {
    const updates = await oneUpdate(clipByValue(1), { ...GRADIENTS[0]!, b: [NaN, 0.25, NaN] });
    assert.deepEqual(updates.b, [NaN, 0.25, NaN]);
  });

  backendTest(backend, "globalNorm() is the Euclidean norm over all leaves", async () => {
    const norm = async (tree: Tree) => {
      const scalar = scoped(() => globalNorm(tree));
      const [value] = await read(scalar);
      tf.dispose([scalar, tree] as tf.TensorContainer);
      return value;
    };
    assert.equal(await norm({ x: tf.tensor1d([3, -4]), y: [tf.scalar(12)] }), 13);
    assert.equal(await norm({ x: tf.tensor2d([[2, 0], [0, 0]]) }), 2);
    assert.equal(await norm({}), 0);
    assert.equal(await norm([tf.scalar(Infinity), tf.scalar(1)]), Infinity);
    assert.ok(Number.isNaN(await norm([tf.scalar(NaN), tf.scalar(1)])));
  });
}

backendTest(
  "cpu",
  "addDecayedWeights() adds decay times the parameter from two dimensions on",
  async () => {
    const updates = await oneUpdate(addDecayedWeights(0.5), GRADIENTS[0]!);
    for (const name of NAMES) {
      const decay = SHAPES[name].length >= 2 ? 0.5 : 0;
      updates[name].forEach((value, index) => {
        assertClose(value, GRADIENTS[0]![name][index]! + decay * PARAMS[name][index]!, name);
      });
    }
  },
);

backendTest(
  "cpu",
  "trace() keeps what it gives: the velocity is the update and the next state",
  async () => {
    const [params, gradients] = [treeOf(PARAMS), treeOf(GRADIENTS[0]!)];
    const optimizer = trace(0.9);
    const state = optimizer.init(params);
    const result = scoped(() =>
      optimizer.update(gradients, state, params, { step: 0, learningRate: 1 })
    );
    assert.deepEqual(await valuesOf(result.updates as TensorTree), float32(GRADIENTS[0]!));
    assert.deepEqual(await valuesOf(result.state as TensorTree), float32(GRADIENTS[0]!));
    tf.dispose([params, gradients, state, result.state] as tf.TensorContainer);
  },
);

backendTest("cpu", "scaleByLearningRate() uses the context's rate and keeps no state", async () => {
  const optimizer = scaleByLearningRate();
  assert.deepEqual(optimizer.init({}), {});
  assert.deepEqual(await oneUpdate(optimizer, GRADIENTS[0]!, 0.5), {
    a: [Math.fround(-0.05)],
    b: [-0.25, 0.5, -1],
    c: [0.125, -0.375, Math.fround(-5e-4), 1.5],
    d: [Math.fround(-0.3), Math.fround(-0.1)],
  });
});

backendTest(
  "cpu",
  "chain() gives each transform the updates of the one before, and its own state",
  async () => {
    const plusOne = stateless((gradients) => mapTree((x) => tf.add(x, 1), gradients));
    const timesThree = stateless((gradients) => mapTree((x) => tf.mul(x, 3), gradients));
    const values = { ...GRADIENTS[0]!, a: [2], b: [0, 1, 2] };
    const added = await oneUpdate(chain(plusOne, timesThree), values);
    assert.deepEqual([added.a, added.b], [[9], [3, 6, 9]]);
    const tripled = await oneUpdate(chain(timesThree, plusOne), values);
    assert.deepEqual([tripled.a, tripled.b], [[7], [1, 4, 7]]);
    assert.deepEqual(await oneUpdate(chain(), values), float32(values));
  },
);

backendTest("cpu", "chain() gives each transform the state that it made, in order", async () => {
  const counting = (from: number): Optimizer => ({
    init: () => tf.scalar(from),
    update: (gradients, state) => ({
      updates: gradients,
      state: tf.add(state as tf.Scalar, 1) as typeof state,
    }),
  });
  const optimizer = chain(counting(10), counting(20));
  const params = treeOf(PARAMS);
  const first = optimizer.init(params);
  const next = optimizer.update(params, first, params, { step: 0, learningRate: 1 });
  const numbers = (state: Tree) => Promise.all(leavesOf(state).map(([, leaf]) => read(leaf)));
  assert.deepEqual(await numbers(first), [[10], [20]]);
  assert.deepEqual(await numbers(next.state), [[11], [21]]);
  tf.dispose([params, first, next.state] as tf.TensorContainer);
});

backendTest(
  "cpu",
  "chain() frees the updates of a transform when the next has its own, and nothing that is kept",
  async () => {
    const plusOne = stateless((gradients) => mapTree((x) => tf.add(x, 1), gradients));
    const itself = stateless((gradients) => gradients);
    const keeping: Optimizer = {
      init: () => ({}),
      update(gradients) {
        const twice = mapTree((x) => tf.mul(x, 2), gradients);
        return { updates: twice, state: twice };
      },
    };
    const optimizer = chain(itself, keeping, plusOne, plusOne);
    const [params, gradients] = [treeOf(PARAMS), treeOf(GRADIENTS[0]!)];
    const state = optimizer.init(params);
    const before = tf.memory().numTensors;
    const context = { step: 0, learningRate: 1 };
    const result = optimizer.update(gradients, state, params, context);
    assert.equal(tf.memory().numTensors - before, 2 * NAMES.length); // updates, and what is kept
    assert.deepEqual(await valuesOf(gradients), float32(GRADIENTS[0]!));
    const [, kept] = result.state as readonly TensorTree[];
    const plusTwo = scoped(() => mapTree((x) => tf.add(tf.add(x, 1), 1), kept!));
    assert.deepEqual(await valuesOf(plusTwo), await valuesOf(result.updates as TensorTree));
    tf.dispose([params, gradients, state, result, plusTwo] as unknown as tf.TensorContainer);
  },
);

backendTest("cpu", "optimizerOf() clips the gradients first, not the updates", async () => {
  const options = { ...defaultConfig.optimizer, name: "sgd" } as const;
  const norm = Math.hypot(...NAMES.flatMap((name) => GRADIENTS[0]![name]));
  // With rate 10 the update is longer than the clip norm: only a clipped gradient explains it.
  const updates = await oneUpdate(
    optimizerOf({ optimizer: options, clip: { norm: 1, value: 0 } }),
    GRADIENTS[0]!,
    10,
  );
  for (const name of NAMES) {
    updates[name].forEach((value, index) => {
      assertClose(value, -10 * GRADIENTS[0]![name][index]! / norm, name);
    });
  }
});

backendTest(
  "cpu",
  "optimizerOf() hands every option of the config on, and clips only above 0",
  async () => {
    const options = {
      ...defaultConfig.optimizer,
      momentum: 0.5,
      beta1: 0.8,
      beta2: 0.95,
      epsilon: 1e-3,
      weightDecay: 0.3,
    };
    const off = { norm: 0, value: 0 };
    const adam = { ...options, name: "adamw" } as const;
    await assertSteps(
      optimizerOf({ optimizer: adam, clip: off }),
      ({ gradient, rate, param, rank, memory, step }) => {
        const { update, memory: next } = adamInFloat64(gradient, memory, step, options);
        return { update: -rate * (update + (rank >= 2 ? 0.3 * param : 0)), memory: next };
      },
    );
    const descent = { ...options, name: "sgd" } as const;
    await assertSteps(
      optimizerOf({ optimizer: descent, clip: off }),
      ({ gradient, rate, memory: [velocity = 0] }) => {
        const next = 0.5 * velocity + gradient;
        return { update: -rate * next, memory: [next] };
      },
    );
  },
);

backendTest(
  "cpu",
  "optimizerOf() gives every name its optimiser, with the options that are its own",
  async () => {
    const shared = { momentum: 0.5, weightDecay: 0.3 };
    const betas = { beta1: 0.8, beta2: 0.95 };
    const options = {
      ...defaultConfig.optimizer,
      ...shared,
      ...betas,
      nesterov: true,
      epsilon: 1e-3,
    };
    const cases: readonly (readonly [OptimizerName, Optimizer])[] = [
      ["sgd", sgd({ momentum: 0.5, nesterov: true })],
      ["adam", adam({ ...betas, epsilon: 1e-3 })],
      ["adamw", adamw({ ...betas, epsilon: 1e-3, weightDecay: 0.3 })],
      ["lion", lion({ ...betas, weightDecay: 0.3 })],
      ["adafactor", adafactor(shared)],
    ];
    for (const [name, expected] of cases) {
      const config = { optimizer: { ...options, name }, clip: { norm: 0, value: 0 } };
      assert.deepEqual(await updatesOf(optimizerOf(config)), await updatesOf(expected), name);
    }
  },
);

backendTest("cpu", "optimizerOf() clips by value, then by norm, where both are asked", async () => {
  const optimizer = { ...defaultConfig.optimizer, name: "sgd" } as const;
  const expected: readonly (readonly [RunConfig["clip"], Optimizer])[] = [
    [{ value: 0, norm: 0 }, sgd()],
    [{ value: 0.5, norm: 0 }, chain(clipByValue(0.5), sgd())],
    [{ value: 0, norm: 0.7 }, chain(clipByGlobalNorm(0.7), sgd())],
    [{ value: 0.5, norm: 0.7 }, chain(clipByValue(0.5), clipByGlobalNorm(0.7), sgd())],
  ];
  const found: string[] = [];
  for (const [clip, same] of expected) {
    const updates = await updatesOf(optimizerOf({ optimizer, clip }));
    assert.deepEqual(updates, await updatesOf(same));
    found.push(JSON.stringify(updates));
  }
  assert.equal(new Set(found).size, 4);
});

backendTest(
  "cpu",
  "init() makes zeros of the parameters' shapes, and none for what keeps no state",
  async () => {
    const params = treeOf(PARAMS);
    const state = adamw().init(params);
    const paths = leavesOf(state).map(([path]) => path);
    assert.deepEqual(paths, ["mu", "nu"].flatMap((m) => NAMES.map((name) => `${m}.${name}`)));
    for (const [path, leaf] of leavesOf(state)) {
      assert.deepEqual(leaf.shape, SHAPES[path.at(-1) as Name]);
      assert.ok((await read(leaf)).every((value) => Object.is(value, 0)));
    }
    assert.deepEqual(leavesOf(sgd().init(params)), []);
    tf.dispose([params, state] as tf.TensorContainer);
  },
);

backendTest(
  "cpu",
  "update() is pure: the same bits twice, and no argument is freed or changed",
  async () => {
    const optimizers = [
      ...[sgd(), sgd({ momentum: 0.9 }), sgd({ momentum: 0.9, nesterov: true })],
      ...[adamw({ weightDecay: 0.1 }), lion({ weightDecay: 0.1 })],
      ...[adafactor(), adafactor({ momentum: 0.9, weightDecay: 0.1 })],
      ...[clipByGlobalNorm(0.1), clipByValue(0.1)],
      perGroup(
        { name: "matrices", leaves: /^[cd]$/, optimizer: adamw(), rateFactor: 0.5 },
        { name: "rest", leaves: "*", optimizer: sgd() },
      ),
    ];
    for (const optimizer of optimizers as Optimizer[]) {
      const [params, gradients] = [treeOf(PARAMS), treeOf(GRADIENTS[0]!)];
      const state = optimizer.init(params);
      const context = { step: 3, learningRate: 0.1 };
      const results = [1, 2].map(() =>
        scoped(() => optimizer.update(gradients, state, params, context))
      );
      const [first, second] = await Promise.all(results.map((result) =>
        Promise.all(
          leavesOf(result as unknown as Tree).map(async ([path, leaf]) => [path, await read(leaf)]),
        )
      ));
      assert.deepEqual(first, second);
      assert.deepEqual(await valuesOf(params), float32(PARAMS));
      assert.deepEqual(await valuesOf(gradients), float32(GRADIENTS[0]!));
      for (const [, leaf] of leavesOf(state)) assert.ok((await read(leaf)).every((x) => x === 0));
      tf.dispose([params, gradients, state, results] as unknown as tf.TensorContainer);
    }
  },
);

function clipped(values: Values, maxNorm: number): Promise<Values> {
  return oneUpdate(clipByGlobalNorm(maxNorm), values);
}

function leafAt(tree: Tree, path: string): tf.Tensor {
  const leaf = leavesOf(tree).find(([found]) => found === path);
  assert.ok(leaf, path);
  return leaf[1];
}
