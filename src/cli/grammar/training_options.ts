import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { float, integer, string } from "@optique/core/valueparser";
import { COMPRESSIONS } from "../../adapters/file_objects/compression.ts";
import { oneOf } from "./one_of.ts";

/** Settings of a run. */
export const setting = {
  config: optional(option("--config", string({ metavar: "FILE[#PRESET]" }), {
    description:
      message`settings from a YAML, TOML or JSON5 file, or from a preset of it; a name alone is a preset of the recipe's own. --set and the flags below come after it`,
  })),
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

/** How far a training goes, and past which changes around it. */
export const continuing = {
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

/** How a training keeps what it finds. */
export const keeping = {
  durability: optional(option("--durability", string({ metavar: "WHEN" }), {
    description:
      message`when steps become durable: every-step (unless given), each before the next begins (on webgpu a few are under way at once), or with a snapshot that is being stored; every-ms:N, in groups of what N milliseconds brought`,
  })),
  compress: optional(option("--compress", oneOf(...COMPRESSIONS), {
    description: message`how the tensors of snapshots are kept: none unless given`,
  })),
};

/** Which snapshots stay. */
export const retention = {
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
