import type { TaskEither } from "fp-ts/TaskEither.js";
import type { RunId } from "../core/run_id.ts";
import type { SampleFile } from "../core/sample_files.ts";
import type { SourceError } from "./source_store.ts";

/**
 * Shows people the samples of a run, which its store has among its sources, under their names. What is
 * shown is never the truth: it can be taken away, and made again.
 */
export interface SampleView {
  /** Shows these samples of a run, in place of what had their names before. */
  readonly show: (
    run: RunId,
    samples: readonly SampleFile[],
  ) => TaskEither<SourceError, void>;
  /**
   * Where the view of a run shows something else than these samples under their names, or does not show
   * one: one line each. Of what nothing at all is shown, that is no flaw.
   */
  readonly check: (
    run: RunId,
    samples: readonly SampleFile[],
  ) => TaskEither<SourceError, readonly string[]>;
}
