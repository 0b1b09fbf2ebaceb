import { basename } from "node:path";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunError } from "../app/errors/errors.ts";
import type { GivenWeights } from "../app/fork/begin_run.ts";
import { weightsOfRun } from "../app/fork/weights_of_run.ts";
import { readHead } from "../app/reading/read_run.ts";
import { mergeConfig, type PartialConfig, type RunConfig, type Settings } from "../core/config.ts";
import { nearest } from "../core/nearest.ts";
import { originName, type RunOrigin } from "../core/run_origin.ts";
import type { RunId } from "../core/run_id.ts";
import { attempt, fail } from "../ports/attempt.ts";
import type { Store } from "../ports/store.ts";
import { recipes } from "../recipes/mod.ts";
import type { BaseWeights, Recipe } from "../recipes/recipe.ts";
import { carryOut } from "./carry_out.ts";
import { type ArgumentsOf, readCommandLine } from "./command_line.ts";
import { missingDirectory, orExit, recipeNamed, runIdOf } from "./context.ts";
import { runPlaceOf } from "./run_at.ts";
import { UsageError } from "./usage_error.ts";

/** What a run begins with in place of drawn weights. */
export interface Base {
  readonly weights: GivenWeights;
  /** The branch of the run's parameters that they are; all of them unless given. */
  readonly into?: string;
  /** The recipe's settings, with those of the model that the weights are of. */
  readonly config: RunConfig;
}

/** The base could not be trained to its end: what its own training ended with. */
export interface BaseUnfinished {
  readonly exitStatus: number;
}

/**
 * What a new run of a recipe begins with: what `--base` names, or else the run that the recipe says, which
 * is trained where it is not there or not complete. Undefined where its weights are drawn. `asked` is what
 * the command line says of the settings.
 */
export async function baseOf(
  args: ArgumentsOf<"train">,
  store: Store,
  recipe: Recipe,
  asked: PartialConfig,
  say: (line: string) => void,
): Promise<Base | BaseUnfinished | undefined> {
  if (args.base !== undefined) return await namedBase(args.base, store, recipe, asked);
  const trained = recipe.base?.trained;
  if (trained === undefined) return undefined;
  const run = runIdOf(trained.run);
  const status = await trainBase(args, store, recipeNamed(recipes, trained.recipe), run, say);
  if (status !== 0) return { exitStatus: status };
  return await baseInRun(store, recipe, asked, run);
}

/**
 * Refuses `--base` of a run that is there already and began with something else: with another run, another
 * step of it, or another file. A file that is not there any more is known by its name.
 */
export async function requireSameBase(
  argument: string,
  run: RunId,
  origin: RunOrigin | undefined,
): Promise<void> {
  if (origin !== undefined && await isOrigin(argument, origin)) return;
  const began = origin === undefined ? "weights that were drawn" : originName(origin);
  throw new UsageError(
    `Run "${run}" began with ${began}: expected no --base, or the same, found "${argument}". ` +
      "Start another run with --run NAME.",
  );
}

async function isOrigin(argument: string, { parent, file }: RunOrigin): Promise<boolean> {
  if (parent !== undefined) {
    const [run, place] = argument.split("@");
    const step = /^(?:\D*)(\d+)$/.exec(place ?? "")?.[1];
    return run === parent.run && (step === undefined || Number(step) === parent.step);
  }
  if (await missingDirectory(argument) !== undefined) return basename(argument) === file.name;
  const { readWeights } = await import("../adapters/data/weights_file.ts");
  return (await orExit(readWeights(argument))).digest === file.digest;
}

async function namedBase(
  argument: string,
  store: Store,
  recipe: Recipe,
  asked: PartialConfig,
): Promise<Base> {
  if (argument === "") {
    throw new UsageError(
      "Expected --base to name a run or a file of weights, found an empty text.",
    );
  }
  const runs = await orExit(store.log.runs());
  if (runs.includes(argument.split("@")[0]!)) {
    const { run, at } = runPlaceOf(argument);
    return await baseInRun(store, recipe, asked, run, at);
  }
  if (await missingDirectory(argument) !== undefined) {
    const near = nearest(argument, runs);
    const hint = near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
    throw new UsageError(
      `Expected --base to name a run or a file of weights, found no "${argument}" of either.${hint}`,
    );
  }
  const { readWeights } = await import("../adapters/data/weights_file.ts");
  const { name, digest, tensors, heads } = await orExit(readWeights(argument));
  return await baseWith(recipe, { file: { name, digest }, tensors }, {}, heads, asked);
}

async function baseInRun(
  store: Store,
  recipe: Recipe,
  asked: PartialConfig,
  run: RunId,
  at?: string,
): Promise<Base> {
  const { tensors, parent, config } = await orExit(weightsOfRun(store, run, at));
  const same = sameSettings(recipe.config, config);
  return await baseWith(recipe, { tensors, parent }, same, headsOf(config), asked);
}

/**
 * The base that weights make; `same` is what is known of their model where the recipe cannot tell, and `heads`
 * those that they are known to be for.
 */
async function baseWith(
  { base = {}, config }: Recipe,
  weights: GivenWeights,
  same: Settings,
  heads: number | undefined,
  asked: PartialConfig,
): Promise<Base> {
  const { into, model: modelOf }: BaseWeights = base;
  const made = () => modelOf?.(weights.tensors, heads ?? headsOf(asked)) ?? same;
  const model = await orExit(settingsBy(made));
  if (modelOf !== undefined) requireSameModel(originName(weights), model, asked);
  return { weights, ...(into && { into }), config: mergeConfig(config, { model }) };
}

/** Refuses settings of another model than the weights are of: those that no shape tells (heads), too. */
function requireSameModel(from: string, model: Settings, asked: PartialConfig): void {
  for (const [name, value] of Object.entries(asked.model ?? {})) {
    if (!Object.hasOwn(model, name) || model[name] === value) continue;
    throw new UsageError(
      `Expected model.${name} to be ${
        model[name]
      }, as in ${from}, whose weights this run begins with, ` +
        `found ${value}. Leave it out.`,
    );
  }
}

/** What a recipe makes of weights, which throws a RangeError where they are not what it takes. */
function settingsBy(make: () => Settings): TaskEither<RunError, Settings> {
  return attempt<RunError, Settings>(() => {
    try {
      return Promise.resolve(make());
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return fail({ type: "NoTask", message: error.message } satisfies RunError);
    }
  });
}

function headsOf({ model }: PartialConfig): number | undefined {
  const heads = model?.["heads"];
  return typeof heads === "number" ? heads : undefined;
}

/** The model's settings of another run, as far as a recipe has settings of these names and types. */
function sameSettings({ model: own }: RunConfig, { model: others }: RunConfig): Settings {
  const same = Object.entries(others).filter(([name, value]) => typeof own[name] === typeof value);
  return Object.fromEntries(same);
}

/** Trains the base of a recipe to its end, if that is not done: the exit status, 0 where it is complete. */
async function trainBase(
  args: ArgumentsOf<"train">,
  store: Store,
  recipe: Recipe,
  run: RunId,
  say: (line: string) => void,
): Promise<number> {
  const isThere = (await orExit(store.log.runs())).includes(run);
  const state = isThere ? (await orExit(readHead(store, run))).state : undefined;
  if (state !== undefined && state.task !== recipe.name) {
    throw new UsageError(
      `Expected run "${run}", whose weights this run begins with, to be one of recipe "${recipe.name}", ` +
        `found one of "${state.task}". Name other weights with --base.`,
    );
  }
  if (state?.status === "completed") return 0;
  const what = isThere ? "is not complete: continuing it" : "is not there: training it";
  say(`run "${run}", whose weights this run begins with, ${what} first`);
  const { backend, runs, json, durability, compress, acceptEnvironment, acceptCodeChange } = args;
  const kept = { backend, runs, json, durability, compress, acceptEnvironment, acceptCodeChange };
  const plain = readCommandLine(["train", recipe.name]) as ArgumentsOf<"train">;
  return await carryOut({
    args: { ...plain, ...kept },
    store,
    id: run,
    recipe,
    state,
    asked: state === undefined ? recipe.config : {},
    onTheWay: true,
  });
}
