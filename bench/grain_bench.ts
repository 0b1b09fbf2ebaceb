import { foldlogGpt } from "./foldlog_gpt.ts";
import { gptProblem, MINI_BATCH, MINI_GPT } from "./gpt_problem.ts";
import { median, type Row } from "./row.ts";

const GRAINS = [8, 4, 2, 1];

/** Rounds in which each grain makes so many steps; the first, which warms up, does not count. */
const ROUNDS = 10;
const TURN = 3;

/** What a small grain costs: a step of the mini GPT on wasm in passes of so many samples, in turns. */
export async function grainBench(): Promise<readonly Row[]> {
  const problem = await gptProblem(MINI_GPT, MINI_BATCH);
  const cases = [];
  for (const grain of GRAINS) {
    const trainee = await foldlogGpt(problem, "wasm", grain);
    cases.push({ grain, trainee, times: [] as number[] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { trainee, times } of cases) {
      const start = performance.now();
      for (let step = 0; step < TURN; step++) await trainee.step();
      times.push((performance.now() - start) / TURN);
    }
  }
  for (const { trainee } of cases) trainee[Symbol.dispose]();
  const [whole] = cases;
  return cases.map(({ grain, times }) => ({
    subject: "grain",
    case: `grain ${grain} of a batch of ${MINI_BATCH}`,
    backend: "wasm",
    value: median(times.slice(1)),
    unit: "ms a step",
    peer: `grain ${MINI_BATCH}`,
    peerValue: median(whole!.times.slice(1)),
    ratio: median(times.slice(1).map((time, round) => time / whole!.times[round + 1]!)),
    better: "lower",
  }));
}
