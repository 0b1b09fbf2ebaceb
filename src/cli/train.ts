import { readHead } from "../app/reading/read_run.ts";
import { settings } from "../core/config_path.ts";
import { nearest } from "../core/nearest.ts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";
import type { Store } from "../ports/store.ts";
import { recipes } from "../recipes/mod.ts";
import { baseOf, requireSameBase } from "./base_weights.ts";
import { carryOut } from "./carry_out.ts";
import type { ArgumentsOf } from "./command_line.ts";
import {
  orExit,
  printJson,
  recipeNamed,
  recipeOf,
  RunFailure,
  runIdOf,
  runsDirectory,
} from "./context.ts";
import { freeName } from "./free_name.ts";
import { settingsOfArguments } from "./settings_of_arguments.ts";
import { INTERRUPTED } from "./stop_signals.ts";
import { storeOf } from "./store_of.ts";
import { table } from "./table.ts";

/** Starts a run, or continues the one that is there. */
export async function run(args: ArgumentsOf<"train">): Promise<number> {
  if (args.list) return list(args.json);
  const named = recipeNamed(recipes, args.recipe ?? recipes[0]!.name);
  const wanted = runIdOf(args.run ?? named.name);
  const store = storeOf(args);
  const say = args.json ? console.error : console.log;
  const choice = await choose(args, store, wanted, say);
  if (choice === undefined) return INTERRUPTED;
  const { id, state } = choice;
  const recipe = state === undefined ? named : recipeOf(recipes, id, state);
  if (args.recipe !== undefined && recipe !== named) {
    throw new RunFailure({
      type: "TaskDiffers",
      run: id,
      expected: recipe.name,
      actual: named.name,
    });
  }
  if (state !== undefined) {
    if (args.base !== undefined) await requireSameBase(args.base, id, state.origin);
    const { asked } = await settingsOfArguments(state.config!, args, recipe);
    return await carryOut({ args, store, id, recipe, state, asked });
  }
  // A mistake in the settings is told before a base is trained.
  const { asked } = await settingsOfArguments(recipe.config, args, recipe);
  const base = await baseOf(args, store, recipe, asked, say);
  if (base !== undefined && "exitStatus" in base) return base.exitStatus;
  const { config } = await settingsOfArguments(base?.config ?? recipe.config, args, recipe);
  return await carryOut({ args, store, id, recipe, state, asked: config, ...(base && { base }) });
}

interface Choice {
  readonly id: RunId;
  /** The state of the run to be continued; undefined for a new one. */
  readonly state: RunState | undefined;
}

/** Whether to continue the run that is there, or to start one; undefined where the person broke off. */
async function choose(
  args: ArgumentsOf<"train">,
  store: Store,
  wanted: RunId,
  say: (line: string) => void,
): Promise<Choice | undefined> {
  const runs = await orExit(store.log.runs());
  if (!runs.includes(wanted)) {
    if (args.resume === "must") {
      throw new RunFailure({ type: "RunMissing", run: wanted, near: nearest(wanted, runs) });
    }
    if (args.resume === "auto") {
      say(`there is no run "${wanted}" in ${runsDirectory(args.runs)} to continue: starting it`);
    }
    return { id: wanted, state: undefined };
  }
  if (args.resume === "never") return await beside(store, wanted, say);
  const { state } = await orExit(readHead(store, wanted));
  const asks = args.resume === undefined && !args.json &&
    Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  if (!asks || state.status === "completed") return { id: wanted, state };
  const { askWhatToDo } = await import("./ask.ts");
  switch (await askWhatToDo(wanted, state)) {
    case "yes":
      return { id: wanted, state };
    case "no":
      return await beside(store, wanted, say);
    case "delete": {
      const archived = await orExit(store.log.archive(wanted));
      say(`run "${wanted}" was moved to ${runsDirectory(args.runs)}/${archived}`);
      return { id: wanted, state: undefined };
    }
    default:
      return undefined;
  }
}

/** A new run under the next free name. */
async function beside(store: Store, wanted: RunId, say: (line: string) => void): Promise<Choice> {
  const id = await freeName(store, wanted);
  say(`run "${wanted}" stays as it is; starting "${id}"`);
  return { id, state: undefined };
}

function list(json: boolean): number {
  if (json) {
    printJson(recipes.map(({ name, description, config }) => ({ name, description, config })));
    return 0;
  }
  for (const { name, description, config } of recipes) {
    console.log(`${name}: ${description}`);
    const rows = [...settings(config)].map(([path, value]) => [`  ${path}`, String(value)]);
    console.log(table(["  SETTING", "DEFAULT"], rows));
  }
  return 0;
}
