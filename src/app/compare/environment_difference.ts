import type { Environment } from "../../core/environment.ts";
import { differingEntries, type EntryDifference } from "./event_difference.ts";

/** In what two environments differ. */
export interface EnvironmentDifference {
  /** Members such as "backend", by name. */
  readonly members: readonly EntryDifference[];
  /** Kernels that compute other bits, by name; absent in an environment that does not have one. */
  readonly kernels: readonly EntryDifference[];
}

/** In what two environments differ, kernel by kernel: either may have some that the other does not. */
export function environmentDifference(a: Environment, b: Environment): EnvironmentDifference {
  const { kernels: kernelsOfA = {}, ...membersOfA } = a;
  const { kernels: kernelsOfB = {}, ...membersOfB } = b;
  return {
    members: differingEntries(membersOfA, membersOfB),
    kernels: differingEntries(kernelsOfA, kernelsOfB),
  };
}
