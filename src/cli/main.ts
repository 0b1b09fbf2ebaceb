/**
 * The command: `deno task foldlog <verb>`.
 *
 * Exits 0 when it did what was asked, 1 when the answer is no, 2 when it could not be tried, and 130
 * when a signal paused a training or a question was broken off.
 *
 * @module
 */
import { type Arguments, readCommandLine } from "./command_line.ts";

/** Each verb's file is loaded when it is asked for: looking at runs needs no tensors. */
async function carryOut(args: Arguments): Promise<number> {
  switch (args.verb) {
    case "train":
      return await (await import("./train.ts")).run(args);
    case "resume":
      return await (await import("./resume.ts")).run(args);
    case "fork":
      return await (await import("./fork.ts")).run(args);
    case "materialize":
      return await (await import("./materialize.ts")).run(args);
    case "runs":
      return await (await import("./runs.ts")).run(args);
    case "show":
      return await (await import("./show.ts")).run(args);
    case "log":
      return await (await import("./log.ts")).run(args);
    case "checkpoints":
      return await (await import("./checkpoints.ts")).run(args);
    case "verify":
      return await (await import("./verify.ts")).run(args);
    case "diff":
      return await (await import("./diff.ts")).run(args);
    case "bisect":
      return await (await import("./bisect.ts")).run(args);
    case "probe":
      return await (await import("./probe.ts")).run(args);
    case "export":
      return await (await import("./export.ts")).run(args);
    case "merge":
      return await (await import("./merge.ts")).run(args);
    case "prune":
      return await (await import("./prune.ts")).run(args);
    case "gc":
      return await (await import("./gc.ts")).run(args);
    case "tokenize":
      return await (await import("./tokenize.ts")).run(args);
    case "doctor":
      return await (await import("./doctor.ts")).run(args);
    default:
      return args satisfies never;
  }
}

/** Does what a command line asks for, and gives the exit status. A wrong one ends the process with 2. */
export async function foldlog(line: readonly string[]): Promise<number> {
  if (line[0] === "completion") {
    await (await import("./grammar/completed_names.ts")).loadRecipeNames();
  }
  const args = readCommandLine(line);
  const { RunFailure } = await import("./context.ts");
  const { UsageError } = await import("./usage_error.ts");
  try {
    return await carryOut(args);
  } catch (error) {
    if (!(error instanceof RunFailure || error instanceof UsageError)) throw error;
    console.error(`foldlog ${args.verb}: ${error.message}`);
    return error instanceof RunFailure ? error.exitStatus : 2;
  }
}

if (import.meta.main) Deno.exit(await foldlog(Deno.args));
