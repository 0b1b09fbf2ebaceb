import { isCancel, select } from "@clack/prompts";
import type { RunId } from "../core/run_id.ts";
import type { RunState } from "../core/run_state.ts";

/** Asks on the terminal what to do with a run that is there; undefined where the question was cancelled. */
export async function askWhatToDo(
  run: RunId,
  state: RunState,
): Promise<"yes" | "no" | "delete" | undefined> {
  const answer = await select({
    message: `Run "${run}" is at step ${state.step} of ${state.config?.steps.max}. Continue it?`,
    options: [
      { value: "yes", label: "yes", hint: "continue where it stopped" },
      { value: "no", label: "no", hint: "leave it as it is and start another beside it" },
      { value: "delete", label: "delete", hint: "move it to the archive and start anew" },
    ],
  });
  return isCancel(answer) ? undefined : answer as "yes" | "no" | "delete";
}
