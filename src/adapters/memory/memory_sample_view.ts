import * as TE from "fp-ts/TaskEither.js";
import type { Digest } from "../../core/digest.ts";
import type { RunId } from "../../core/run_id.ts";
import type { SampleView } from "../../ports/sample_view.ts";

/** What would be shown of the samples of each run, by name. */
export function memorySampleView(): SampleView {
  const shown = new Map<RunId, Map<string, Digest>>();
  return {
    show: (run, samples) =>
      TE.fromIO(() => {
        const names = shown.get(run) ?? new Map<string, Digest>();
        for (const { name, digest } of samples) names.set(name, digest);
        shown.set(run, names);
      }),
    check: (run, samples) =>
      TE.fromIO(() => {
        const names = shown.get(run);
        if (names === undefined) return [];
        return samples.flatMap(({ name, digest }) => {
          const found = names.get(name);
          if (found === digest) return [];
          const instead = found === undefined ? "none" : "others";
          return [`${name}: expected the bytes of ${digest.slice(0, 12)}, found ${instead}`];
        });
      }),
  };
}
