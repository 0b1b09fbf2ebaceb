import { evolve } from "../core/evolve.ts";
import type { RunState } from "../core/run_state.ts";
import type { LogContents } from "./event_log.ts";

/** The state that a log amounts to. */
export function foldOf({ base, events }: Pick<LogContents, "base" | "events">): RunState {
  return events.reduce((state, { event }) => evolve(state, event), base);
}
