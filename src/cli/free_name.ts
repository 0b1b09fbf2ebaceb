import type { RunId } from "../core/run_id.ts";
import type { Store } from "../ports/store.ts";
import { orExit, runIdOf } from "./context.ts";

/** The name that is wanted for a run, or where there is such a run the next with a number: "a-2". */
export async function freeName(store: Store, wanted: string): Promise<RunId> {
  const runs = await orExit(store.log.runs());
  if (!runs.includes(wanted)) return runIdOf(wanted);
  let number = 2;
  while (runs.includes(`${wanted}-${number}`)) number++;
  return runIdOf(`${wanted}-${number}`);
}
