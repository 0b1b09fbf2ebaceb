import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../src/core/host_tensor.ts";
import { product } from "../src/train/kernels/product.ts";
import { release, scoped } from "../src/train/ownership.ts";
import { foldlogGpt } from "./foldlog_gpt.ts";
import { type GptProblem, gptProblem } from "./gpt_problem.ts";
import { median, type Row } from "./row.ts";
import type { Trainee } from "./trainee.ts";

const CHANNELS = [64, 128, 256];
const LAYERS = [2, 4];
const BATCHES = [2, 8];

/** Rounds in which each model makes one step; the first, which warms up, does not count. */
const ROUNDS = 8;

/** Rows and columns of the product that shows what the backend can do, and how often it is tried. */
const SQUARE = 512;
const TRIES = 3;

/** A model; what is measured has an entry a round. */
interface Case {
  readonly name: string;
  readonly trainee: Trainee & Disposable;
  /** Floating-point operations of a step, in millions. */
  readonly megaflops: number;
  readonly milliseconds: number[];
  /** Of a product just before each step, in GFLOP/s. */
  readonly speeds: number[];
}

/**
 * Training steps of models of several sizes on wasm, and their speed beside that of a plain square
 * product, which is as fast as the backend gets. All in one process, in turns.
 */
export async function sizesBench(): Promise<readonly Row[]> {
  const cases: Case[] = [];
  for (const channels of CHANNELS) {
    for (const layers of LAYERS) {
      for (const batch of BATCHES) cases.push(await caseOf(channels, layers, batch));
    }
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { trainee, speeds, milliseconds } of cases) {
      speeds.push(speedOfProduct());
      const start = performance.now();
      await trainee.step();
      milliseconds.push(performance.now() - start);
    }
  }
  for (const { trainee } of cases) trainee[Symbol.dispose]();
  return cases.flatMap(rowsOf);
}

async function caseOf(channels: number, layers: number, batch: number): Promise<Case> {
  const sizes = { vocabulary: 256, context: 64, layers, heads: 4, channels, dropout: 0 };
  const problem = await gptProblem(sizes, batch);
  return {
    name: `${channels} channels, ${layers} layers, batch of ${batch}`,
    trainee: await foldlogGpt(problem, "wasm"),
    megaflops: flopsOf(problem) / 1e6,
    milliseconds: [],
    speeds: [],
  };
}

/**
 * As it is usually counted (Chowdhery et al., "PaLM", 2022, appendix B): six for each token and each
 * weight that it is multiplied by, and twelve for each channel and each pair of positions in attention,
 * masked or not. The embedding counts once, as the head.
 */
function flopsOf({ sizes, weights, tokens }: GptProblem): number {
  const { layers, channels, context } = sizes;
  const factors = [...weights].filter(([name, { shape }]) =>
    shape.length === 2 && name !== "wpe.weight"
  );
  const multiplied = factors.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  return sizeOf(tokens.shape) * (6 * multiplied + 12 * layers * channels * context);
}

/** Megaflops in a millisecond (GFLOP/s) of the fastest of a few products. */
function speedOfProduct(): number {
  const [a, b] = [0, 1].map(() => tf.randomUniform([SQUARE, SQUARE])) as [tf.Tensor, tf.Tensor];
  const times = Array.from({ length: TRIES }, () => {
    const start = performance.now();
    scoped(() => void product(a, b));
    return performance.now() - start;
  });
  release([a, b]);
  return 2 * SQUARE ** 3 / 1e6 / Math.min(...times);
}

function rowsOf({ name, megaflops, milliseconds, speeds }: Case): Row[] {
  const counted = <A>(values: readonly A[]) => values.slice(1);
  const shared = { subject: "sizes", case: name, backend: "wasm" } as const;
  const shares = milliseconds.map((time, round) => megaflops / time / speeds[round]!);
  return [{
    ...shared,
    value: median(counted(milliseconds)),
    unit: "ms a step",
    peer: "as many operations in products",
    peerValue: median(counted(speeds.map((speed) => megaflops / speed))),
    ratio: median(counted(shares.map((share) => 1 / share))),
    better: "lower",
  }, {
    ...shared,
    value: median(counted(milliseconds.map((time) => megaflops / time))),
    unit: "GFLOP/s",
    peer: `a product of ${SQUARE} x ${SQUARE}`,
    peerValue: median(counted(speeds)),
    ratio: median(counted(shares)),
    better: "higher",
  }];
}
