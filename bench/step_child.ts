/**
 * A contender of the step benchmark: `step_child.ts CONTENDER BACKEND PROBLEM`.
 *
 * It says its name, then answers "steps N" and "memory"; each time by a line of JSON (see step_peer.ts).
 *
 * @module
 */
import type { Backend } from "../src/adapters/backend_choice.ts";
import { countDispatches } from "./gpu_dispatches.ts";
import { readProblem } from "./gpt_problem.ts";
import { linesOf } from "./lines_of.ts";
import type { Trainee } from "./trainee.ts";

/** Each has a module to itself, and only one is loaded: they must not meet in a process. */
async function traineeOf(
  contender: string,
  backend: Exclude<Backend, "cpu">,
  path: string,
): Promise<Trainee> {
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

const dispatches = countDispatches();

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

async function said(work: Promise<unknown>): Promise<void> {
  const outcome = await work.catch((error) => ({ error: String(error?.message ?? error) }));
  console.log(JSON.stringify(outcome));
}

const [contender, backend, path] = Deno.args as [string, Exclude<Backend, "cpu">, string];
const trainee = traineeOf(contender, backend, path);
await said(trainee.then(({ name }) => ({ name })));
for await (const line of linesOf(Deno.stdin.readable)) {
  await said(trainee.then((trainee) => answer(trainee, line)));
}
Deno.exit(); // workers, if any, would go on
