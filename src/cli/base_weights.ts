import type { GivenWeights } from "../app/fork/begin_run.ts";
import { weightsOfRun } from "../app/fork/weights_of_run.ts";
import { readHead } from "../app/reading/read_run.ts";
import { mergeConfig, type RunConfig, type Settings } from "../core/config.ts";
import { originName, type RunOrigin } from "../core/run_origin.ts";
import type { RunId } from "../core/run_id.ts";
import type { Store } from "../ports/store.ts";
import { recipes } from "../recipes/mod.ts";
import type { BaseWeights, Recipe } from "../recipes/recipe.ts";
import { carryOut } from "./carry_out.ts";
import { type ArgumentsOf, readCommandLine } from "./command_line.ts";
import { orExit, recipeNamed, runIdOf } from "./context.ts";
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
 * is trained where it is not there or not complete. Undefined where its weights are drawn.
 */
export async function baseOf(
  args: ArgumentsOf<"train">,
  store: Store,
  recipe: Recipe,
  say: (line: string) => void,
): Promise<Base | BaseUnfinished | undefined> {
  if (args.base !== undefined) return await namedBase(args.base, store, recipe);
  const trained = recipe.base?.trained;
  if (trained === undefined) return undefined;
  const run = runIdOf(trained.run);
  const status = await trainBase(args, store, recipeNamed(recipes, trained.recipe), run, say);
  if (status !== 0) return { exitStatus: status };
  return await baseInRun(store, recipe, run);
}

/** Refuses `--base` of a run that is there already and began with something else. */
export function requireSameBase(argument: string, run: RunId, origin: RunOrigin | undefined): void {
  const began = origin === undefined ? "weights that were drawn" : originName(origin);
  const name = origin?.parent?.run ?? origin?.file?.name;
  const named = argument.split(/[@/\\]/).filter((part) => part !== "");
  if (name !== undefined && named.includes(name)) return;
  throw new UsageError(
    `Run "${run}" began with ${began}: expected no --base, or the same, found "${argument}". ` +
      "Start another run with --run NAME.",
  );
}

async function namedBase(argument: string, store: Store, recipe: Recipe): Promise<Base> {
  const runs = await orExit(store.log.runs());
  if (runs.includes(argument.split("@")[0]!)) {
    const { run, at } = runPlaceOf(argument);
    return await baseInRun(store, recipe, run, at);
  }
  throw new UsageError(`There is no run "${argument}" to begin with.`);
}

async function baseInRun(store: Store, recipe: Recipe, run: RunId, at?: string): Promise<Base> {
  const { tensors, parent, config } = await orExit(weightsOfRun(store, run, at));
  const { heads } = config.model;
  const known = typeof heads === "number" ? heads : undefined;
  const model = recipe.base?.model?.(tensors, known) ?? sameSettings(recipe.config, config);
  return baseWith(recipe, { tensors, parent }, model);
}

function baseWith({ base = {}, config }: Recipe, weights: GivenWeights, model: Settings): Base {
  const { into }: BaseWeights = base;
  return { weights, ...(into && { into }), config: mergeConfig(config, { model }) };
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
