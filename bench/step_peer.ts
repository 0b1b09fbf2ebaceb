import * as E from "fp-ts/Either.js";
import { LEARNING_RATE } from "./gpt_problem.ts";
import { type LineChild, startLineChild } from "./line_child.ts";
import type { TraineeMemory } from "./trainee.ts";

/** Who is measured: foldlog, tfjs's own operations, PyTorch on the processor, jax-js. */
export type Contender = "foldlog" | "stock" | "torch" | "jax";

/** Steps that were made, in all. */
export interface StepsMade {
  readonly milliseconds: number;
  /** Of the last one. */
  readonly loss: number;
  /** Calls of the GPU, where it is known. */
  readonly dispatches?: number;
}

/** A contender in a process of its own, which trains on between the calls. */
export interface StepPeer extends AsyncDisposable {
  readonly name: string;
  readonly steps: (count: number) => Promise<StepsMade>;
  /** Nothing where the contender cannot tell. */
  readonly memory: () => Promise<Partial<TraineeMemory>>;
}

/** A contender after its trial. */
export interface TriedPeer extends StepPeer {
  readonly loss: number;
}

/**
 * Starts a contender on a problem in a file and makes `trial` steps, after which it has a loss. The reason
 * where it is not installed or cannot do them.
 */
export async function startStepPeer(
  contender: Contender,
  backend: string,
  path: string,
  trial: number,
): Promise<E.Either<string, TriedPeer>> {
  const child = contender === "torch"
    ? await startLineChild("/usr/bin/python3", torchArgs(path), "inherit")
    : await startLineChild(Deno.execPath(), denoArgs(contender, backend, path), "inherit");
  try {
    const { name } = parsed(child.greeting ?? `{"error":"it could not be started"}`);
    const peer = peerOf(child, contender, name as string);
    const { loss } = await peer.steps(trial);
    return E.right({ ...peer, loss });
  } catch (error) {
    await child[Symbol.asyncDispose]();
    return E.left((error as Error).message);
  }
}

function peerOf(child: LineChild, contender: Contender, name: string): StepPeer {
  const ask = async (line: string) => parsed(await child.ask(line));
  return {
    name,
    steps: async (count) => await ask(`steps ${count}`) as unknown as StepsMade,
    memory: async () => contender === "torch" ? {} : await ask("memory"),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** An answer; throws what it says as an error. */
function parsed(line: string): Record<string, unknown> {
  const answer = JSON.parse(line);
  if (answer.error !== undefined) throw new Error(answer.error);
  return answer;
}

function torchArgs(path: string): readonly string[] {
  return [new URL("torch_gpt.py", import.meta.url).pathname, path, String(LEARNING_RATE)];
}

function denoArgs(contender: Contender, backend: string, path: string): readonly string[] {
  const permissions = ["--no-prompt", "--allow-read", "--allow-env"];
  const script = new URL("step_child.ts", import.meta.url).pathname;
  return ["run", ...permissions, script, contender, backend, path];
}
