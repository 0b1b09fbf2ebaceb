/**
 * The process of `openCli()`: carries out one command after another, each as a process of its own would.
 *
 * A request is a line of JSON on standard input. A command prints as it does anywhere; after it come a zero
 * byte, the exit status and a newline on standard output, and a zero byte on standard error.
 *
 * @module
 */
import process from "node:process";
import { foldlog } from "../../src/cli/main.ts";
import type { CliRequest } from "./open_cli.ts";

/** Thrown where a command would end the process. */
class Ended extends Error {
  constructor(readonly code: number) {
    super(`ended with ${code}`);
  }
}

/** Carries out a command, and gives its exit status. */
async function carryOut({ args, cwd, env }: CliRequest): Promise<number> {
  const before = Object.keys(env).map((name) => [name, Deno.env.get(name)] as const);
  Deno.chdir(cwd);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  try {
    return await foldlog(args);
  } catch (error) {
    if (error instanceof Ended) return error.code;
    console.error("Uncaught", error);
    return 1;
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

function end(code?: number | string | null): never {
  throw new Ended(Number(code ?? 0));
}

/** Standard input by lines. */
async function* requests(): AsyncGenerator<CliRequest> {
  let text = "";
  for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (text + part).split("\n");
    text = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

process.exit = end as typeof process.exit; // what ends a process of its own
Deno.exit = end as typeof Deno.exit;

for await (const request of requests()) {
  const code = await carryOut(request);
  const encoder = new TextEncoder();
  Deno.stdout.writeSync(encoder.encode(`\0${code}\n`));
  Deno.stderr.writeSync(encoder.encode("\0"));
}
