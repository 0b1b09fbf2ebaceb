import type { CodeIdentity } from "../codec/code_identity.ts";
import type { Device } from "./device.ts";
import type { Reporter } from "./reporter.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { Store } from "./store.ts";

/** What a training needs of the world outside. */
export interface RunEnv {
  readonly store: Store;
  readonly device: Device;
  /**
   * The code that trains, such as `codeOf([import.meta.url])` gives it: recorded and stored with a new run,
   * and compared with that of a run that goes on. Without it a run's code is not looked at.
   */
  readonly code?: CodeIdentity;
  /** Told what happens; nobody is told without one. */
  readonly reporter?: Reporter;
  /** Times steps and snapshots; needed where `save.maxReplaySeconds` is above 0, and nowhere else. */
  readonly stopwatch?: Stopwatch;
}
