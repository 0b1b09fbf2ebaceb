import { fileStore } from "../adapters/file_store.ts";
import { branchOfRun } from "../app/reading/branch_of_run.ts";
import type { RunError } from "../app/errors/errors.ts";
import { readRun, type RecordedRun } from "../app/reading/read_run.ts";
import { encodeLine } from "../codec/envelope_codec.ts";
import type { RunEvent } from "../core/event.ts";
import { livePath } from "../core/live_path.ts";
import { attempt } from "../ports/attempt.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, runIdOf, runsDirectory } from "./context.ts";
import { UsageError } from "./usage_error.ts";

/** Prints a run's events, or those of one branch: with --json each envelope exactly as it is stored. */
export async function run(args: ArgumentsOf<"log">): Promise<number> {
  if (args.live && args.branch !== undefined) {
    throw new UsageError("Expected --live or --branch, found both.");
  }
  const store = fileStore(runsDirectory(args.runs));
  const recorded = await orExit(readRun(store, runIdOf(args.run)));
  const { torn } = recorded;
  const branch = attempt<RunError, RecordedRun>(() =>
    Promise.resolve(branchOfRun(recorded, args.branch))
  );
  const { events } = await orExit(branch);
  const shown = args.live ? livePath(events) : events;
  for (const recorded of shown) {
    if (args.json) console.log(encodeLine(recorded));
    else {
      const { position, recordedAt, event } = recorded;
      console.log(`${String(position).padStart(6)}  ${recordedAt}  ${describe(event)}`);
    }
  }
  if (torn !== undefined) {
    console.error(`A torn last line was left out: ${torn.bytes} bytes at ${torn.place}.`);
  }
  return 0;
}

function describe(event: RunEvent): string {
  switch (event.type) {
    case "RunStarted": {
      const { task, environment } = event.data;
      return `RunStarted       ${task} on ${environment.backend} (${environment.adapter})`;
    }
    case "StepTaken":
    case "StepSkipped": {
      const { step, loss, gradNorm, learningRate, lossScale } = event.data;
      return `${event.type.padEnd(15)}  step ${step}  loss ${loss}  gradNorm ${gradNorm}  ` +
        `lr ${learningRate}${lossScale === undefined ? "" : `  lossScale ${lossScale}`}`;
    }
    case "SamplesTaken": {
      const { step, samples } = event.data;
      const files = samples.map(({ name, digest }) => `${name} ${digest.slice(0, 12)}`);
      return `SamplesTaken     step ${step}  ${files.join("  ")}`;
    }
    case "ConfigChanged": {
      const { step, changes, class: kind } = event.data;
      const values = Object.entries(changes).map(([path, value]) => `${path} ${value}`);
      return `ConfigChanged    step ${step}  ${values.join("  ")}  (${kind})`;
    }
    case "RunRewound": {
      const { step, position } = event.data;
      return `RunRewound       step ${step}  position ${position}: what followed it is a branch of its own`;
    }
    default: {
      const facts = Object.entries(event.data).map(([name, value]) =>
        `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`
      );
      return `${event.type.padEnd(15)}  ${facts.join("  ")}`;
    }
  }
}
