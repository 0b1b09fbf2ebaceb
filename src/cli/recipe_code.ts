import { codeOf } from "../adapters/code/code_of.ts";
import type { CodeIdentity } from "../codec/code_identity.ts";
import type { Recipe } from "../recipes/recipe.ts";
import { orExit } from "./context.ts";

/**
 * The code that trains a recipe: its module, the workflows and the backends. The command itself is left out:
 * what it says and how is no part of a training.
 */
export async function codeOfRecipe({ module }: Recipe): Promise<CodeIdentity> {
  const roots = [
    module,
    import.meta.resolve("../app/training/train_run.ts"),
    import.meta.resolve("../adapters/device/tfjs_backend.ts"),
  ];
  return await orExit(codeOf(roots));
}
