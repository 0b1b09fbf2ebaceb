/**
 * A contender of the step benchmark: `step_child.ts CONTENDER BACKEND PROBLEM`.
 *
 * It says its name, then answers "steps N" and "memory": each time a line of JSON, as step_peer.ts reads
 * it. What goes wrong is an answer too, `{ error }`.
 *
 * @module
 */
import type { Backend } from "../src/adapters/device/backend_choice.ts";
import { countDispatches } from "./gpu_dispatches.ts";
import { readProblem } from "./gpt_problem.ts";
import { linesOf } from "./lines_of.ts";
import type { Trainee } from "./trainee.ts";

const [contender, backend, path] = Deno.args as [string, Exclude<Backend, "cpu">, string];
const dispatches = countDispatches();
const trainee = traineeOf(contender);
await say(trainee.then(({ name }) => ({ name })));
for await (const line of linesOf(Deno.stdin.readable)) {
  await say(trainee.then((trainee) => answer(trainee, line)));
}
Deno.exit(); // the workers of jax-js would go on

/** Only the contender's own module is loaded: foldlog's and the stock one must not meet in a process. */
async function traineeOf(contender: string): Promise<Trainee> {
  const problem = await readProblem(path);
  switch (contender) {
    case "foldlog":
      return await (await import("./foldlog_gpt.ts")).foldlogGpt(problem, backend);
    case "stock":
      return await (await import("./stock_gpt.ts")).stockGpt(problem, backend);
    case "jax":
      return await (await import("./jax_gpt.ts")).jaxGpt(problem, backend);
    default:
      throw new RangeError(`Expected foldlog, stock or jax, found "${contender}"`);
  }
}

async function answer(trainee: Trainee, line: string): Promise<unknown> {
  if (line === "memory") return await trainee.memory?.() ?? {};
  const steps = Number(line.split(" ")[1]);
  const dispatchedBefore = dispatches();
  const start = performance.now();
  let loss = NaN;
  for (let step = 0; step < steps; step++) loss = await trainee.step();
  const milliseconds = performance.now() - start;
  return { milliseconds, loss, dispatches: dispatches() - dispatchedBefore };
}

async function say(work: Promise<unknown>): Promise<void> {
  const said = await work.catch((error) => ({ error: String(error?.message ?? error) }));
  console.log(JSON.stringify(said));
}
