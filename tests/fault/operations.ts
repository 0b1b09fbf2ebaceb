import type { TaskEither } from "fp-ts/TaskEither.js";
import { fileStore, type FileStoreOptions } from "../../src/adapters/file_store.ts";
import { collectGarbage } from "../../src/app/upkeep/collect_garbage.ts";
import type { RunError } from "../../src/app/errors/errors.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { pruneRun } from "../../src/app/upkeep/prune_run.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { keepLast } from "../../src/core/retention_policy.ts";
import type { RunEnv } from "../../src/ports/run_env.ts";
import type { Store } from "../../src/ports/store.ts";
import { faultTask, RUN } from "./fault_task.ts";

/** What is done to a store while a fault happens to it. */
export interface Operation {
  /** How its store keeps things, where that is not the default. */
  readonly options?: FileStoreOptions;
  /** What has been done to the store before, undisturbed. */
  readonly prepare?: (env: RunEnv, root: string) => Promise<void>;
  readonly work: (env: RunEnv) => TaskEither<RunError, unknown>;
}

/** The name of an operation. */
export type OperationName =
  | "train"
  | "roll"
  | "group"
  | "reopen"
  | "pause"
  | "prune"
  | "collect";

/** Deleted before garbage is collected: a run whose snapshots nobody names any more. */
const OTHER_RUN = "b";

/** The operations of the matrix. Each ends in a run that can be trained to its end. */
export const operations: Readonly<Record<OperationName, Operation>> = {
  train: { work: (env) => trainRun(env, RUN, faultTask) },
  roll: {
    options: { segmentBytes: 1 }, // so that every append begins a segment
    work: (env) => trainRun(env, RUN, faultTask),
  },
  group: {
    options: { durability: { type: "every-ms", milliseconds: 5 } },
    work: (env) => trainRun(env, RUN, faultTask),
  },
  reopen: {
    prepare: async (env, root) => {
      await trainUntil(env, RUN, 5);
      await tearLastLine(root);
    },
    work: (env) => trainRun(env, RUN, faultTask),
  },
  pause: {
    prepare: (env) => trainUntil(env, RUN, 4),
    work: (env) => trainRun(env, RUN, faultTask, { until: 5 }),
  },
  prune: {
    prepare: (env) => trainUntil(env, RUN, 9),
    work: (env) => pruneRun(env.store, RUN, keepLast(1)),
  },
  collect: {
    prepare: async (env, root) => {
      await trainUntil(env, RUN, 4);
      const config = { seed: 8 }; // so that its objects are its own
      await orThrow(trainRun(env, OTHER_RUN, faultTask, { until: 4, config }));
      await Deno.remove(`${root}/${OTHER_RUN}`, { recursive: true });
    },
    work: (env) => collectGarbage(env.store),
  },
};

/** The store that an operation works on. */
export function storeOf(root: string, { options }: Operation): Store {
  return fileStore(root, options);
}

async function trainUntil(env: RunEnv, run: string, until: number): Promise<void> {
  await orThrow(trainRun(env, run, faultTask, { until }));
}

/** Leaves the log as a crash in the middle of a write does. */
async function tearLastLine(root: string): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(`${root}/${RUN}/log`))).map(({ name }) => name);
  const last = `${root}/${RUN}/log/${names.sort().at(-1)}`;
  await Deno.writeTextFile(last, '{"digest":"0123', { append: true });
}
