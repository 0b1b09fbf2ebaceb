import * as tf from "@tensorflow/tfjs";
import type { TransformerSizes } from "../src/model/transformer.ts";
import { foldlogGpt } from "./foldlog_gpt.ts";
import { gptProblem, MINI_GPT } from "./gpt_problem.ts";
import type { Row } from "./row.ts";

const SIZES: TransformerSizes = { ...MINI_GPT, context: 32 };
const BATCH = 4;

/** Steps after which memory is looked at: before, what is made once is made. */
const EARLY = 100;
const LATE = 1000;

const MIB = 2 ** 20;

/**
 * Whether memory grows: tensors, their bytes and the process at step 1000 beside step 100 of a small GPT
 * on wasm; and the peak of a step beside weights, gradients and both moments.
 */
export async function memoryBench(): Promise<readonly Row[]> {
  const problem = await gptProblem(SIZES, BATCH);
  const weights = [...problem.weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  using trainee = await foldlogGpt(problem, "wasm");
  const taken: Taken[] = [];
  for (let step = 1; step <= LATE; step++) {
    await trainee.step();
    if (step === EARLY || step === LATE) taken.push(memoryNow());
  }
  const [early, late] = taken as [Taken, Taken];
  const { peakBytes } = await trainee.memory!();
  const grown = (unit: string, before: number, after: number): Row => ({
    subject: "memory",
    case: `step ${LATE}`,
    backend: "wasm",
    better: "lower",
    value: after,
    unit,
    peer: `step ${EARLY}`,
    peerValue: before,
    ratio: after / before,
  });
  return [
    grown("tensors", early.tensors, late.tensors),
    grown("MiB in tensors", early.tensorBytes / MIB, late.tensorBytes / MIB),
    grown("MiB resident", early.resident / MIB, late.resident / MIB),
    grown("MiB resident but V8's heap", outside(early) / MIB, outside(late) / MIB),
    {
      ...grown("MiB at the peak of a step", 4 * weights / MIB, peakBytes / MIB),
      peer: "weights, gradients, moments",
    },
  ];
}

/** Tensors, their bytes, and the bytes of the process. */
interface Taken {
  readonly tensors: number;
  readonly tensorBytes: number;
  readonly resident: number;
  /** Of it, what V8 has taken: it takes more than it needs, and gives it back when it likes. */
  readonly heap: number;
}

function outside({ resident, heap }: Taken): number {
  return resident - heap;
}

function memoryNow(): Taken {
  const { numTensors, numBytes } = tf.memory();
  const { rss, heapTotal } = Deno.memoryUsage();
  return { tensors: numTensors, tensorBytes: numBytes, resident: rss, heap: heapTotal };
}
