import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import type { NonEmptyString } from "@optique/core/nonempty";
import { argument, command, constant, option } from "@optique/core/primitives";
import { choice, float, integer, string, type ValueParser } from "@optique/core/valueparser";
import { runSync } from "@optique/run";
import config from "../../deno.json" with { type: "json" };
import { BACKENDS } from "../adapters/device/backend_choice.ts";
import { COMPRESSIONS } from "../adapters/file_objects/compression.ts";

/** One of these, which help shows. */
function oneOf<const A extends string>(...values: readonly A[]): ValueParser<"sync", A> {
  return choice(values, { metavar: values.join("|") as NonEmptyString });
}

const store = {
  runs: optional(option("--runs", string({ metavar: "DIR" }), {
    description: message`where runs are kept: FOLDLOG_RUNS, or else runs/`,
  })),
};

const json = {
  json: option("--json", { description: message`print data for programs` }),
};

const device = {
  backend: optional(option("--backend", oneOf("auto", ...BACKENDS), {
    description:
      message`what computes: FOLDLOG_BACKEND, or else auto, which is a hardware WebGPU adapter or wasm`,
  })),
};

const runArgument = argument(string({ metavar: "RUN" }), { description: message`name of the run` });

const continuing = {
  until: optional(option("--until", integer({ metavar: "STEP", min: 0 }), {
    description: message`pause at this step; the plan and its schedule stay as they are`,
  })),
  acceptEnvironment: option("--accept-environment", {
    description: message`go on in another environment, and record that exactness ends there`,
  }),
  acceptCodeChange: option("--accept-code-change", {
    description: message`go on under other code than the run's, and record from where on`,
  }),
};

const keeping = {
  durability: optional(option("--durability", string({ metavar: "WHEN" }), {
    description:
      message`when steps become durable: every-step (unless given), each before the next begins (on webgpu a few are under way at once), or with a snapshot that is being stored; every-ms:N, in groups of what N milliseconds brought`,
  })),
  compress: optional(option("--compress", oneOf(...COMPRESSIONS), {
    description: message`how the tensors of snapshots are kept: none unless given`,
  })),
};

const retention = {
  keepLast: optional(option("--keep-last", integer({ metavar: "N", min: 1 }), {
    description: message`keep the newest N snapshots; a training prunes after each that it stores`,
  })),
  keepBest: optional(option("--keep-best", integer({ metavar: "N", min: 1 }), {
    description: message`keep the N with the lowest evaluation loss, or training loss`,
  })),
  keepEvery: optional(option("--keep-every", integer({ metavar: "K", min: 1 }), {
    description: message`keep those whose step is a multiple of K`,
  })),
};

const setting = {
  set: multiple(option("--set", string({ metavar: "PATH=VALUE" }), {
    description: message`a setting, such as optimizer.learningRate=0.001`,
  })),
  maxSteps: optional(option("--max-steps", integer({ metavar: "N" }), {
    description: message`steps of the plan (steps.max)`,
  })),
  saveEvery: optional(option("--save-every", integer({ metavar: "N" }), {
    description: message`steps between snapshots (save.every)`,
  })),
  lr: optional(option("--lr", float({ metavar: "RATE" }), {
    description: message`peak learning rate (optimizer.learningRate)`,
  })),
  seed: optional(option("--seed", integer({ metavar: "N" }), {
    description: message`root of every random number (seed)`,
  })),
  schedule: optional(option("--schedule", oneOf("keep", "stretch"), {
    description:
      message`where steps.max of a run changes: keep the schedule as long as it was, and its last rate after it (unless given), or stretch it`,
  })),
};

const at = optional(option("--at", string({ metavar: "PLACE" }), {
  description:
    message`a step, best, final, or a checkpoint by name, such as step-001200; the last step unless given`,
}));

const branch = optional(option("--branch", integer({ metavar: "N", min: 1 }), {
  description: message`the Nth branch that the run left when it went back, not the live one`,
}));

const runAtArgument = argument(string({ metavar: "RUN[@PLACE]" }), {
  description: message`name of the run, alone or with a step or the name of a checkpoint`,
});

const train = command(
  "train",
  object({
    verb: constant("train"),
    recipe: optional(argument(string({ metavar: "RECIPE" }), {
      description: message`what to train; --list shows the recipes`,
    })),
    list: option("--list", { description: message`show the recipes and their settings` }),
    run: optional(option("--run", string({ metavar: "ID" }), {
      description: message`name of the run; the recipe's name unless given`,
    })),
    resume: optional(option("--resume", oneOf("auto", "never", "must"), {
      description:
        message`continue the run if it exists (auto), start another beside it (never), or expect it to exist (must)`,
    })),
    ...setting,
    ...continuing,
    ...keeping,
    ...retention,
    ...device,
    ...store,
    ...json,
  }),
  { brief: message`start a run, or continue the one that is there` },
);

const resume = command(
  "resume",
  object({
    verb: constant("resume"),
    run: runArgument,
    at,
    ...setting,
    onDivergence: optional(option("--on-divergence", oneOf("stop", "fork"), {
      description:
        message`where a step cannot be recomputed as recorded: stop (unless given), or go on as a fork from where all was exact`,
    })),
    ...continuing,
    ...keeping,
    ...retention,
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`continue a run, from any step, with the settings it has or others`,
    description:
      message`Continues a run. What lies between a snapshot and the step is recomputed and compared with the log before anything is added. Going on from an earlier step leaves what followed in the log, as a branch of its own. Changed settings are recorded.`,
  },
);

const fork = command(
  "fork",
  object({
    verb: constant("fork"),
    parent: runArgument,
    at,
    branch,
    run: optional(option("--run", string({ metavar: "ID" }), {
      description: message`name of the new run; RUN-fork unless given`,
    })),
    weightsOnly: option("--weights-only", {
      description: message`take the parameters alone, into a training with a new optimiser`,
    }),
    withoutSamples: optional(option("--without-samples", string({ metavar: "LIST" }), {
      description:
        message`leave these samples out from there on: numbers and ranges, such as 3,17,40-45, or @FILE`,
    })),
    skipBatch: optional(option("--skip-batch", string({ metavar: "LIST" }), {
      description: message`leave out the batches that the run used in these steps, such as 130-134`,
    })),
    ...setting,
    ...device,
    ...store,
    ...json,
  }),
  { brief: message`make a new run that begins with the state of any step of another` },
);

const materialize = command(
  "materialize",
  object({ verb: constant("materialize"), run: runAtArgument, ...device, ...store, ...json }),
  { brief: message`make the snapshot of any step by recomputation, and keep it` },
);

const runs = command(
  "runs",
  object({
    verb: constant("runs"),
    tree: option("--tree", { description: message`draw which run is a fork of which` }),
    ...store,
    ...json,
  }),
  { brief: message`list the runs` },
);

const show = command(
  "show",
  object({
    verb: constant("show"),
    run: runAtArgument,
    branch,
    code: optional(option("--code", string({ metavar: "DIR" }), {
      description:
        message`write the code that computes the run to this directory, which is empty or new`,
    })),
    ...store,
    ...json,
  }),
  { brief: message`what a run is and how far it came` },
);

const log = command(
  "log",
  object({
    verb: constant("log"),
    run: runArgument,
    branch,
    live: option("--live", { description: message`the live branch alone: each step once` }),
    ...store,
    ...json,
  }),
  { brief: message`a run's events, one a line` },
);

const checkpoints = command(
  "checkpoints",
  object({
    verb: constant("checkpoints"),
    run: runArgument,
    latest: option("--latest", { description: message`only the newest` }),
    ...store,
    ...json,
  }),
  { brief: message`the snapshots that a run can be resumed from` },
);

const verify = command(
  "verify",
  object({
    verb: constant("verify"),
    run: runArgument,
    replay: option("--replay", {
      description: message`recompute every step and compare it, bit for bit`,
    }),
    from: optional(option("--from", integer({ metavar: "STEP", min: 0 }), {
      description: message`with --replay: begin at the nearest snapshot at or before this step`,
    })),
    to: optional(option("--to", integer({ metavar: "STEP", min: 1 }), {
      description: message`with --replay: end at the nearest snapshot at or after this step`,
    })),
    sample: optional(option("--sample", integer({ metavar: "K", min: 1 }), {
      description:
        message`with --replay: recompute K segments between snapshots, taken at random, and say the chance of catching a forged one`,
    })),
    workers: optional(option("--workers", integer({ metavar: "N", min: 1 }), {
      description: message`with --replay: recompute N segments at once; one unless given`,
    })),
    branch,
    repair: option("--repair", {
      description:
        message`make anew what the log can make anew: derived files, and lost snapshots by recomputation`,
    }),
    ...device,
    ...store,
    ...json,
  }),
  { brief: message`check a run's log and snapshots; exits 1 if something is wrong` },
);

const diff = command(
  "diff",
  object({
    verb: constant("diff"),
    a: argument(string({ metavar: "A" }), {
      description: message`a run, up to a step of it where one is named: RUN or RUN@STEP`,
    }),
    b: argument(string({ metavar: "B" }), { description: message`the run to compare it with` }),
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`in what two runs differ; exits 1 if in anything`,
    description:
      message`In what two runs differ: the first event, settings, environment, data and code, and the state leaf by leaf, at the named step, recomputed where it is not kept, or at one of which both keep a snapshot. Exits 0 if nothing differs, 1 if something does.`,
  },
);

const bisect = command(
  "bisect",
  object({
    verb: constant("bisect"),
    a: argument(string({ metavar: "A" }), { description: message`a run` }),
    b: argument(string({ metavar: "B" }), { description: message`the run to compare it with` }),
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`the step at which two runs part, by recomputing them; exits 1 if they do`,
    description:
      message`Finds the first step after which the states of two runs differ: by what both logs say, and where they say too little, by recomputing both, each compared with its own log. Exits 0 if they never part, 1 if they do.`,
  },
);

const probe = command(
  "probe",
  object({
    verb: constant("probe"),
    run: runArgument,
    from: option("--from", string({ metavar: "STEP" }), {
      description: message`the first step: a number, or a name such as best`,
    }),
    to: option("--to", string({ metavar: "STEP" }), { description: message`the last step` }),
    with: option("--with", string({ metavar: "FILE" }), {
      description: message`a module whose default export is the probe`,
    }),
    export: optional(option("--export", string({ metavar: "NAME" }), {
      description: message`its export of this name in place of the default one`,
    })),
    out: optional(option("--out", string({ metavar: "FILE" }), {
      description: message`where to write: RUNS/RUN/probes/NAME-FROM-TO.jsonl unless given`,
    })),
    ...device,
    ...store,
    ...json,
  }),
  {
    brief: message`ask past steps a question; exits 1 if they are not as recorded`,
    description:
      message`Recomputes past steps, compares them with the log, and writes what a function of yours finds of each, with the proof that they are the recorded ones. src/train/probes.ts has gradientNorms, perSampleLosses and weightNorms.`,
  },
);

const dryRun = {
  dryRun: option("--dry-run", { description: message`change nothing, and say what would be done` }),
};

const prune = command(
  "prune",
  object({
    verb: constant("prune"),
    run: runArgument,
    ...retention,
    youngerThan: optional(option("--younger-than", string({ metavar: "AGE" }), {
      description: message`keep those that are younger, such as 7d, 12h or 30m`,
    })),
    ...dryRun,
    ...store,
    ...json,
  }),
  {
    brief: message`remove the snapshots of a run that no rule keeps`,
    description:
      message`Removes the snapshots of a run that no rule keeps, and frees what no run needs. The newest that can be read and the best are always kept; any other step can still be recomputed.`,
  },
);

const gc = command("gc", object({ verb: constant("gc"), ...dryRun, ...store, ...json }), {
  brief: message`free what no run of the store needs`,
});

const doctor = command(
  "doctor",
  object({
    verb: constant("doctor"),
    backend: optional(option("--backend", oneOf(...BACKENDS), {
      description: message`only this backend`,
    })),
    // What a fresh process is asked: the report of one round on one backend, as JSON.
    selfTest: optional(option("--self-test", oneOf(...BACKENDS), { hidden: true })),
    ...json,
  }),
  {
    brief:
      message`the backends that work here, and whether their kernels are exact; exits 1 if not`,
  },
);

const verbs = {
  train,
  resume,
  fork,
  runs,
  show,
  log,
  checkpoints,
  verify,
  diff,
  bisect,
  probe,
  materialize,
  prune,
  gc,
  doctor,
};

const grammar = or(
  train,
  resume,
  fork,
  runs,
  show,
  log,
  checkpoints,
  verify,
  diff,
  bisect,
  probe,
  materialize,
  prune,
  gc,
  doctor,
);

/** What the command line asks for. */
export type Arguments = InferValue<typeof grammar>;

/** The arguments of one verb. */
export type ArgumentsOf<Verb extends Arguments["verb"]> = Extract<Arguments, { verb: Verb }>;

/** Reads the command line; prints help and exits 0, or says what is wrong with it and exits 2. */
export function readCommandLine(args: readonly string[]): Arguments {
  const verb = Object.entries(verbs).find(([name]) => name === args[0])?.[1];
  // The grammar of the verb alone: what is said of a mistake is of that verb.
  return runSync((verb ?? grammar) as typeof grammar, {
    args,
    programName: "foldlog",
    brief: message`foldlog trains models as a fold over an append-only log.`,
    help: verb === undefined ? "both" : "option",
    version: config.version,
    ...(verb === undefined && { completion: "command" }),
    errorExitCode: 2,
    aboveError: "usage",
  });
}
