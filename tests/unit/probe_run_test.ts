import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  BACKENDS,
  defineTask,
  describeError,
  type Device,
  gradientNorms,
  memoryStore,
  normal,
  orThrow,
  perSampleLosses,
  type Probe,
  type ProbeOptions,
  type ProbeReport,
  probeRun,
  readRun,
  type Store,
  trainRun,
  weightNorms,
} from "foldlog";
import * as tf from "foldlog/tf";
import { canonicalJson, parseJson, tensorDigest } from "foldlog/codec";
import { backendTest } from "../support/backends.ts";
import { eventsOf, keptBy, tenSteps, trained } from "../support/ten_steps.ts";

backendTest(
  "cpu",
  "what a probe finds of a step is in its line, with the proof",
  async (device) => {
    const store = await trained(device);
    const probe: Probe = ({ step, samples, before, after }) => ({
      step,
      steps: [before.step, after.step],
      samples,
      slope: (after.params as { slope: tf.Tensor }).slope,
      odd: [NaN, -0, Infinity],
    });
    const source = "5".repeat(64);
    const about = { name: "odd", source };
    const { lines, report } = await probed(device, store, { from: 5, to: 7, probe, about });
    const [header, five, , seven, proof, ...more] = lines;
    const { events, state } = await orThrow(readRun(store, "a"));
    const last = events.find(({ event: { type, data } }) =>
      type === "StepTaken" && data.step === 7
    );
    const { format, run, task, envelope, from, to, environment, probe: asked } = header;
    assert.deepEqual({ format, run, task, from, to, asked }, {
      ...{ format: 1, run: "a", task: "ten steps", from: 5, to: 7 },
      asked: { name: "odd", source },
    });
    assert.equal(envelope, last?.digest);
    assert.deepEqual(environment, state.environment);
    assert.deepEqual([five.step, five.values.steps, five.values.odd], [
      5,
      [4, 5],
      ["NaN", "-0", "Infinity"],
    ]);
    assert.equal(new Set(five.values.samples).size, 2);
    assert.deepEqual(seven.values.slope.shape, [1]);
    const counts = { snapshot: 4, steps: 3, compared: 4, fingerprints: 0, state: 6 };
    assert.deepEqual(proof, { proof: { ...counts, verdict: "equal" } });
    assert.deepEqual(report, { run: "a", from: 5, to: 7, ...counts, verdict: "equal" });
    assert.deepEqual(more, []);
  },
);

backendTest("cpu", "the state that a probe sees is that of the snapshot", async (device) => {
  const store = await trained(device);
  const probe: Probe = ({ after }) => after.params as Record<string, tf.Tensor>;
  const { lines } = await probed(device, store, { from: 1, to: 4, probe });
  const { model } = (await orThrow(store.snapshots.get((await keptBy(store)).get(4)!))).groups;
  for (const [path, tensor] of model!) {
    const { shape, values } = lines.at(-2).values[path];
    const seen = { dtype: "float32", shape, data: Float32Array.from(values) } as const;
    assert.equal(tensorDigest(seen), tensorDigest(tensor), path);
  }
});

for (const backend of BACKENDS) {
  backendTest(
    backend,
    "gradients, losses and learning rates are those that were recorded",
    async (device) => {
      const store = await trained(device, {
        config: {
          batch: { size: 4, micro: 2 },
          clip: { norm: 0.01 },
          schedule: { name: "cosine" },
        },
      });
      const probe: Probe = (step) => ({
        norms: gradientNorms(step),
        losses: perSampleLosses(step),
        weights: weightNorms(step),
        whole: step.batches.map((batch, i) => step.loss(step.before.params, batch, step.keys[i]!)),
        learningRate: step.learningRate,
      });
      const { lines } = await probed(device, store, { from: 1, to: 10, probe });
      const steps = (await eventsOf(store)).flatMap((event) =>
        event.type === "StepTaken" ? [event.data] : []
      );
      assert.equal(lines.length, 12);
      for (const [i, { step, values }] of lines.slice(1, -1).entries()) {
        const { gradNorm, learningRate, loss } = steps[i]!;
        assert.deepEqual([step, values.learningRate], [i + 1, learningRate]);
        assert.deepEqual(values.norms.all, { shape: [], values: [gradNorm] });
        assert.deepEqual(Object.keys(values.norms.leaves), ["offset", "slope"]);
        assert.deepEqual(Object.keys(values.weights.leaves), ["offset", "slope"]);
        const mean = values.whole.reduce(
          (sum: number, { values: [of] }: { values: number[] }) => Math.fround(sum + of!),
          0,
        ) / values.whole.length;
        assert.equal(Math.fround(mean), loss);
        const { samples, losses } = values.losses;
        assert.deepEqual([samples.length, losses.shape], [4, [4]]);
        const average = losses.values.reduce((sum: number, of: number) => sum + of, 0) / 4;
        assert.ok(Math.abs(average - loss) < 1e-6 * Math.max(1, loss), `${average} is not ${loss}`);
      }
    },
  );
}

backendTest(
  "cpu",
  "samples are told by their numbers, and losses get the key of their grain",
  async (device) => {
    const { data, config, init } = tenSteps;
    const noisy = defineTask({
      name: "noisy",
      config: { ...config!, batch: { size: 4, micro: 2 } },
      data,
      init,
      loss: (params, batch, root) =>
        tf.add(
          tenSteps.loss(params, batch, root),
          tf.mul(tf.sum(params.slope), normal(root, 1)[0]!),
        ),
    });
    const store = memoryStore();
    await orThrow(trainRun({ store, device }, "a", noisy, { config: { evaluate: { every: 0 } } }));
    const lines: Line[] = [];
    const probe: Probe = ({ samples, batches, keys, loss, before }) => ({
      samples,
      x: batches.map((batch) => batch["x"]!),
      losses: batches.map((batch, grain) => loss(before.params, batch, keys[grain]!)),
    });
    const write = (line: string) => void lines.push(JSON.parse(line));
    const options = { from: 3, to: 9, probe, write };
    await orThrow(probeRun({ store, device }, "a", noisy, options));
    const recorded = (await eventsOf(store)).flatMap((event) =>
      event.type === "StepTaken" ? [event.data.loss] : []
    );
    for (const { step, values: { samples, x, losses } } of lines.slice(1, -1)) {
      const numbers = samples as readonly number[];
      const expected = (await data.at(numbers)).x.data;
      assert.deepEqual(x.flatMap((part: Line) => part.values), [...expected], `step ${step}`);
      const [one, other] = losses.map((part: Line) => part.values[0]);
      assert.equal(Math.fround(Math.fround(one + other) / 2), recorded[step - 1]);
    }
  },
);

backendTest(
  "cpu",
  "a probe of the same steps writes the same bytes, whatever is kept of them",
  async (device) => {
    const store = await trained(device);
    const often = await trained(device, { config: { save: { every: 0 } } });
    const probe: Probe = gradientNorms;
    const answers = async (of: Store, from: number) =>
      (await probed(device, of, { from, to: 9, probe })).text.slice(1, -1);
    const once = await answers(store, 6);
    assert.deepEqual(await answers(store, 6), once);
    assert.deepEqual(await answers(often, 6), once);
    assert.deepEqual((await answers(store, 3)).slice(3), once);
  },
);

backendTest("cpu", "a probe neither leaks, nor frees what it borrows", async (device) => {
  const store = await trained(device);
  const shares: Probe = ({ before, after, batches }) => {
    tf.scalar(1);
    return {
      before: before.params as Record<string, tf.Tensor>,
      twice: [after.optimizer as never],
      batches,
    };
  };
  const throws: Probe = ({ step, gradients }) => {
    gradients();
    if (step === 6) throw new RangeError("six");
    return 0;
  };
  const count = tf.memory().numTensors;
  await probed(device, store, { from: 5, to: 8, probe: shares });
  assert.equal(tf.memory().numTensors, count);
  const failed = await ask(device, store, { from: 5, to: 8, probe: throws, write: () => {} });
  assert.equal(tf.memory().numTensors, count);
  assert.ok(E.isLeft(failed));
  assert.deepEqual(failed.left, { type: "ProbeFailed", step: 6, message: "six" });
  assert.match(describeError(failed.left), /^The probe failed at step 6: six\./);
});

backendTest("cpu", "what a probe cannot give is refused by its place", async (device) => {
  const store = await trained(device, { until: 2 });
  const later = (() => Promise.reject(new Error("never"))) as unknown as Probe;
  const cases: readonly (readonly [Probe, RegExp])[] = [
    [later, /found a promise: a probe is synchronous$/],
    [() => ({ a: [1, "two" as never] }), /at a\[1\], found two$/],
    [() => ({ a: new Map() as never }), /at a, found a Map$/],
    [() => undefined as never, /found undefined$/],
    [() => tf.tensor(["a"]), /found a tensor of type string$/],
  ];
  for (const [probe, expected] of cases) {
    const result = await ask(device, store, { from: 1, to: 2, probe, write: () => {} });
    assert.ok(E.isLeft(result) && result.left.type === "ProbeFailed");
    assert.equal(result.left.step, 1);
    assert.match(result.left.message, expected);
  }
  const bool = await probed(device, store, {
    from: 1,
    to: 1,
    probe: () => tf.tensor([true, false]),
  });
  assert.deepEqual(bool.lines[1].values, { shape: [2], values: [1, 0] });
});

backendTest(
  "cpu",
  "of a trajectory that is not the recorded one there is no proof",
  async (device) => {
    const store = await trained(device);
    const lines: string[] = [];
    const write = (line: string) => void lines.push(line);
    let calls = 0;
    const { data } = tenSteps;
    // The batch of step 7 is another one than recorded.
    const swapped = {
      ...tenSteps,
      data: {
        ...data,
        at: (numbers: readonly number[]) => data.at(++calls === 3 ? numbers.toReversed() : numbers),
      },
    };
    const options = { from: 5, to: 8, probe: weightNorms, write };
    const result = await probeRun({ store, device }, "a", swapped, options)();
    assert.ok(E.isLeft(result) && result.left.type === "Diverged");
    assert.deepEqual([result.left.step, result.left.members], [7, ["batch"]]);
    assert.deepEqual(lines.slice(1).map((line) => JSON.parse(line).step), [5, 6]);
  },
);

backendTest("cpu", "a probe that changes what it borrows is found out", async (device) => {
  const store = await trained(device, { config: { fingerprint: { every: 1 } } });
  const changes: Probe = ({ step, after }) => {
    const { slope } = after.params as { slope: tf.Tensor };
    if (step === 6) (slope.dataSync() as Float32Array)[0]! += 1;
    return 0;
  };
  const result = await ask(device, store, { from: 5, to: 8, probe: changes, write: () => {} });
  assert.ok(E.isLeft(result) && result.left.type === "Diverged" && result.left.step <= 7);
});

backendTest("cpu", "steps that a run did not take are refused", async (device) => {
  const store = await trained(device, { until: 6 });
  for (
    const [from, to, reason] of [[0, 3, "took is 1"], [5, 3, "after step 5"], [
      5,
      7,
      "ends at step 6",
    ]] as const
  ) {
    const result = await ask(device, store, {
      from,
      to,
      probe: weightNorms,
      write: () => assert.fail(),
    });
    assert.ok(E.isLeft(result) && result.left.type === "NoPlace");
    assert.match(result.left.reason, new RegExp(reason));
  }
});

backendTest(
  "cpu",
  "the steps of each stretch are probed under its own settings",
  async (device) => {
    const store = await trained(device, { until: 5 });
    const config = { optimizer: { learningRate: 0.01 } };
    await orThrow(
      trainRun({ store, device }, "a", tenSteps, { config, recordChanges: true }),
    );
    const probe: Probe = ({ learningRate }) => learningRate;
    const { lines } = await probed(device, store, { from: 5, to: 6, probe });
    assert.deepEqual(lines.slice(1, -1).map(({ values }) => values), [0.1, 0.01]);
  },
);

/** A line of a projection. */
// deno-lint-ignore no-explicit-any
type Line = any;

async function probed(
  device: Device,
  store: Store,
  options: Omit<ProbeOptions, "write">,
): Promise<
  {
    readonly lines: readonly Line[];
    readonly text: readonly string[];
    readonly report: ProbeReport;
  }
> {
  const text: string[] = [];
  const write = (line: string) => void text.push(line);
  const report = await orThrow(probeRun({ store, device }, "a", tenSteps, { ...options, write }));
  const lines = text.map((line) => {
    const parsed = parseJson(line);
    assert.ok(E.isRight(parsed) && canonicalJson(parsed.right) === line, line);
    return parsed.right;
  });
  return { lines, text, report };
}

function ask(device: Device, store: Store, options: ProbeOptions) {
  return probeRun({ store, device }, "a", tenSteps, options)();
}
