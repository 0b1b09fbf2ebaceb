import { fileStore } from "../adapters/file_store.ts";
import { branchOfRun } from "../app/reading/branch_of_run.ts";
import type { RunError } from "../app/errors/errors.ts";
import { followRun } from "../app/reading/follow_run.ts";
import { readRun, type RecordedRun } from "../app/reading/read_run.ts";
import { encodeLine } from "../codec/envelope_codec.ts";
import type { RunConfig } from "../core/config.ts";
import { settings } from "../core/config_path.ts";
import type { RunEvent } from "../core/event.ts";
import { evolve, initialState } from "../core/evolve.ts";
import { livePath } from "../core/live_path.ts";
import type { RecordedEvent } from "../core/recorded_event.ts";
import type { RunId } from "../core/run_id.ts";
import { attempt } from "../ports/attempt.ts";
import type { Store } from "../ports/store.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, runIdOf, runsDirectory } from "./context.ts";
import { UsageError } from "./usage_error.ts";
import { waitingFor, watching, written } from "./watching.ts";

/**
 * Prints a run's events, or those of one branch: with --json each envelope exactly as it is stored. With
 * --follow those too that are recorded from now on.
 */
export async function run(args: ArgumentsOf<"log">): Promise<number> {
  const limits = [args.live && "--live", args.branch !== undefined && "--branch"];
  const [limit, other] = [...limits, args.follow && "--follow"].filter((flag) => flag !== false);
  if (limit !== undefined && other !== undefined) {
    throw new UsageError(`Expected ${limit} or ${other}, found both.`);
  }
  const store = fileStore(runsDirectory(args.runs));
  const line = args.json ? encodeLine : linesForPeople();
  if (args.follow) return await follow(store, runIdOf(args.run), line);
  const recorded = await orExit(readRun(store, runIdOf(args.run)));
  const { torn } = recorded;
  const branch = attempt<RunError, RecordedRun>(() =>
    Promise.resolve(branchOfRun(recorded, args.branch))
  );
  const { events } = await orExit(branch);
  for (const recorded of args.live ? livePath(events) : events) console.log(line(recorded));
  if (torn !== undefined) {
    console.error(`A torn last line was left out: ${torn.bytes} bytes at ${torn.place}.`);
  }
  return 0;
}

async function follow(
  store: Store,
  run: RunId,
  line: (recorded: RecordedEvent) => string,
): Promise<number> {
  const { wait, dispose } = watching();
  try {
    await orExit(followRun(store, run, {
      wait,
      onNews: ({ events }) => written(events.map((recorded) => `${line(recorded)}\n`).join("")),
      onMissing: () => console.error(waitingFor(run)),
    }));
    return 0;
  } finally {
    dispose();
  }
}

/** What makes a line for people of each event of a log, in order: it says too what a change replaced. */
function linesForPeople(): (recorded: RecordedEvent) => string {
  let state = initialState;
  return ({ position, recordedAt, event }) => {
    const line = describe(event, state.config);
    state = evolve(state, event);
    return `${String(position).padStart(6)}  ${recordedAt}  ${line}`;
  };
}

/** An event for people; `config` are the settings before it. */
function describe(event: RunEvent, config: RunConfig | undefined): string {
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
      const before = config === undefined ? new Map() : settings(config);
      const values = Object.entries(changes).map(([path, value]) =>
        `${path} ${before.get(path)} -> ${value}`
      );
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
