import * as E from "fp-ts/Either.js";
import { backendsHere } from "./backends.ts";
import { gptProblem, MINI_BATCH, MINI_GPT, writeProblem } from "./gpt_problem.ts";
import { median, type Row } from "./row.ts";
import {
  type Contender,
  startStepPeer,
  type StepPeer,
  type StepsMade,
  type TriedPeer,
} from "./step_peer.ts";

/** Steps after which all contenders must have the same loss, and how far apart it may be. */
const TRIAL = 5;
const TOLERANCE = 1e-2;

/** Rounds in which each has one turn; those that warm up do not count. */
const ROUNDS = { warmUp: 2, counted: 9 };

/** Steps of a turn. Fewer where a software adapter is slow. */
const TURN: Readonly<Record<string, number>> = { wasm: 3, webgpu: 2 };

/** Steps over which no tensor may be left behind. */
const LONG = 50;

/**
 * One training step of a mini GPT (forward, backward, Adam, loss read back) beside that of others, who
 * begin with the same weights: 2 layers, 64 channels, 4 heads, bytes, 8 sequences of 64.
 *
 * Each contender is a process of its own with as many threads as it takes by itself, and they take
 * turns. foldlog and tfjs compute in one thread; jax-js and a BLAS may use every core.
 */
export async function stepBench(): Promise<readonly Row[]> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/problem.safetensors`;
  const problem = await gptProblem(MINI_GPT, MINI_BATCH);
  await writeProblem(path, problem);
  const weights = [...problem.weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const backends = await backendsHere();
  if (!backends.includes("webgpu")) console.error("step: webgpu is left out: there is no adapter");
  const rows: Row[] = [];
  for (const backend of backends) {
    await using processes = new AsyncDisposableStack();
    const foldlog = await peerOn(backend, "foldlog", path, processes);
    if (foldlog === undefined) continue;
    const others: StepPeer[] = [];
    for (const contender of ["stock", "torch", "jax"] as const) {
      const peer = await peerOn(backend, contender, path, processes, foldlog);
      if (peer !== undefined) others.push(peer);
    }
    rows.push(...await compareSteps(backend, foldlog, others));
    for (const peer of [foldlog, ...others]) rows.push(...await peakOf(backend, peer, 4 * weights));
    rows.push(...await growthOf(backend, foldlog));
  }
  await Deno.remove(directory, { recursive: true });
  return rows;
}

/**
 * A contender after its trial, or undefined where it cannot take part, which is said. Throws where it does
 * not compute the same as the `first`.
 */
async function peerOn(
  backend: string,
  contender: Contender,
  path: string,
  processes: AsyncDisposableStack,
  first?: TriedPeer,
): Promise<TriedPeer | undefined> {
  const started = await startStepPeer(contender, backend, path, TRIAL);
  if (E.isLeft(started)) {
    console.error(`step: ${contender} on ${backend} is left out: ${started.left}`);
    return undefined;
  }
  const peer = processes.use(started.right);
  const expected = first?.loss ?? peer.loss;
  if (Math.abs(peer.loss - expected) <= TOLERANCE * expected) return peer;
  throw new Error(
    `Cannot compare: after ${TRIAL} steps on ${backend} the loss of ${peer.name} is ${peer.loss}, ` +
      `expected ${expected}, that of ${first?.name}`,
  );
}

async function compareSteps(
  backend: string,
  foldlog: StepPeer,
  others: readonly StepPeer[],
): Promise<readonly Row[]> {
  const turn = TURN[backend] ?? 2;
  const rounds = new Map([foldlog, ...others].map((peer) => [peer, [] as StepsMade[]]));
  for (let round = -ROUNDS.warmUp; round < ROUNDS.counted; round++) {
    for (const [peer, made] of rounds) {
      const steps = await peer.steps(turn);
      if (round >= 0) made.push(steps);
    }
  }
  const figures = (peer: StepPeer, figure: "milliseconds" | "dispatches") =>
    rounds.get(peer)!.map((made) => (made[figure] ?? 0) / turn);
  const row = (peer: StepPeer, figure: "milliseconds" | "dispatches", unit: string): Row => {
    const [ours, theirs] = [figures(foldlog, figure), figures(peer, figure)];
    return {
      subject: "step",
      case: "foldlog",
      backend,
      value: median(ours),
      unit,
      peer: peer.name,
      peerValue: median(theirs),
      ratio: median(ours.map((value, round) => value / theirs[round]!)),
      better: "lower",
    };
  };
  const dispatch = (peer: StepPeer) => figures(peer, "dispatches").some((count) => count > 0);
  return [
    ...others.map((peer) => row(peer, "milliseconds", "ms a step")),
    ...others.filter(dispatch).map((peer) => row(peer, "dispatches", "dispatches a step")),
  ];
}

/** The peak of one step against what no contender does without: weights, gradients, two moments. */
async function peakOf(backend: string, peer: StepPeer, needed: number): Promise<readonly Row[]> {
  const { peakBytes } = await peer.memory();
  return peakBytes === undefined ? [] : [{
    subject: "step",
    case: peer.name,
    backend,
    value: peakBytes / 2 ** 20,
    unit: "MiB at the peak of a step",
    peer: "weights, gradients, moments",
    peerValue: needed / 2 ** 20,
    ratio: peakBytes / needed,
    better: "lower",
  }];
}

async function growthOf(backend: string, peer: StepPeer): Promise<readonly Row[]> {
  const before = await peer.memory();
  await peer.steps(LONG);
  const after = await peer.memory();
  return before.tensors === undefined || after.tensors === undefined ? [] : [{
    subject: "step",
    case: peer.name,
    backend,
    value: after.tensors,
    unit: `tensors after ${LONG} steps`,
    peer: "before",
    peerValue: before.tensors,
    ratio: after.tensors / before.tensors,
    better: "lower",
  }];
}
