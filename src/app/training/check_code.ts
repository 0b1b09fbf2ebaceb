import * as E from "fp-ts/Either.js";
import { codeDifference } from "../../core/code_manifest.ts";
import type { RunId } from "../../core/run_id.ts";
import type { RunState } from "../../core/run_state.ts";
import type { RunEnv } from "../../ports/run_env.ts";
import type { CodeDiffers } from "../errors/errors.ts";
import { readCodeManifest } from "../reading/run_code.ts";

/**
 * In what the code that computes here differs from that of a run; undefined where it does not, and where one
 * of them is not known.
 */
export async function codeChange(
  { store, code }: RunEnv,
  run: RunId,
  { code: recorded }: Pick<RunState, "code">,
): Promise<CodeDiffers | undefined> {
  if (code === undefined || recorded === undefined || code.digest === recorded) return undefined;
  const about = { type: "CodeDiffers", run, expected: recorded, actual: code.digest } as const;
  const before = await readCodeManifest(store, recorded)();
  return E.isRight(before)
    ? { ...about, difference: codeDifference(before.right, code.manifest) }
    : { ...about, because: before.left };
}
