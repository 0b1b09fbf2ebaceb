import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import {
  arraySource,
  defineTask,
  describeError,
  memoryStore,
  orThrow,
  readRun,
  trainRun,
} from "foldlog";
import * as tf from "foldlog/tf";
import { guardMemory } from "../../src/train/kernels/wasm/guarded_memory.ts";
import type { WasmBackend } from "../../src/train/kernels/wasm/wasm_backend.ts";
import { backendTest, leaksNothing } from "../support/backends.ts";

const column = { dtype: "float32", shape: [4, 1], data: Float32Array.of(0, 1, 2, 3) } as const;

/** A task that asks for 4 GiB at once, which wasm cannot have, in this place of it. */
function greedy(place: "init" | "loss" | "none") {
  const ask = (here: string) => here === place ? tf.fill([2 ** 30], 0).sum() : tf.scalar(0);
  return defineTask({
    name: "greedy",
    config: { steps: { max: 3 }, batch: { size: 4, micro: 4 }, evaluate: { every: 0 } },
    data: arraySource("a line", { x: column }),
    init: () => ({ slope: tf.add(tf.scalar(0), ask("init")) }),
    loss: ({ slope }, { x }) =>
      tf.add(tf.mean(tf.squaredDifference(tf.mul(x, slope), x)), ask("loss")),
  });
}

for (const place of ["init", "loss"] as const) {
  backendTest(
    "wasm",
    `a ${place} that wasm has no memory for fails with what was needed`,
    async (device) => {
      const store = memoryStore();
      const result = await trainRun({ store, device }, "run", greedy(place))();
      assert.ok(E.isLeft(result) && result.left.type === "DeviceMemoryFull");
      const { step, asked, used, limit } = result.left;
      assert.deepEqual({ step, asked, limit }, { step: 0, asked: 2 ** 32, limit: 4294901760 });
      assert.ok(used > 0 && used < 2 ** 28);
      assert.match(
        describeError(result.left),
        /^The memory of wasm is full before the first step was done: tensors take [\d.]+ \w+, and another 4\.00 GiB were asked for, of 4\.00 GiB/,
      );
      if (place === "loss") {
        const { events } = await orThrow(readRun(store, "run"));
        assert.equal(events.at(-1)!.event.type, "RunFailed");
      }
      await leaksNothing(async () => {
        const { state } = await orThrow(
          trainRun({ store: memoryStore(), device }, "run", greedy("none")),
        );
        assert.equal(state.status, "completed"); // the backend is as good as before
      });
    },
  );
}

Deno.test("guardMemory() counts what is taken and given back, and takes no address 0 for a place", () => {
  let place = 2 ** 20;
  const wasm = {
    _malloc: (bytes: number) => bytes > 500 ? 0 : (place += bytes) - bytes,
    _free: (_: number) => {},
  };
  guardMemory({ wasm } as unknown as WasmBackend, 1000);
  const first = wasm._malloc(400);
  wasm._malloc(400);
  const thrown = { name: "DeviceMemoryError", used: 800, limit: 1000 };
  assert.throws(() => wasm._malloc(201), { ...thrown, asked: 201 });
  wasm._malloc(200);
  wasm._free(first);
  assert.throws(() => wasm._malloc(401), { ...thrown, asked: 401, used: 600 });
  wasm._free(first); // twice is once
  wasm._malloc(300);
  wasm._free(-1); // of nobody
  const other = { ...wasm, _malloc: (_: number) => 0 };
  guardMemory({ wasm: other } as unknown as WasmBackend, 1000);
  assert.throws(() => other._malloc(1), { name: "DeviceMemoryError", asked: 1, used: 0 });
});

Deno.test("guardMemory() gives addresses beyond 2 GiB as unsigned numbers, and frees them", () => {
  const freed: number[] = [];
  const wasm = { _malloc: (_: number) => -16, _free: (at: number) => void freed.push(at) };
  guardMemory({ wasm } as unknown as WasmBackend, 100);
  const at = wasm._malloc(4);
  assert.equal(at, 2 ** 32 - 16);
  wasm._free(-16);
  assert.equal(freed.length, 2);
});
