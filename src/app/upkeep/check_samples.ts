import * as E from "fp-ts/Either.js";
import type { RunEvent, SamplesTaken } from "../../core/event.ts";
import type { SampleFile } from "../../core/sample_files.ts";
import { fail } from "../../ports/attempt.ts";
import type { Store } from "../../ports/store.ts";
import { describeError } from "../errors/describe_error.ts";
import type { RunError } from "../errors/errors.ts";

/** A sample that a log names and that cannot be read. */
export interface LostSample {
  /** Its event, and where that is in the log. */
  readonly position: number;
  readonly event: SamplesTaken;
  readonly sample: SampleFile;
  readonly reason: string;
}

/**
 * Reads every byte of the samples that events name, in whatever branch: those that are missing, damaged or not of
 * the size that the event says. Fails where the store could not be looked at, which says nothing of them.
 */
export async function lostSamples(
  { sources }: Store,
  events: Iterable<{ readonly position: number; readonly event: RunEvent }>,
): Promise<readonly LostSample[]> {
  const lost: LostSample[] = [];
  for (const { position, event } of events) {
    if (event.type !== "SamplesTaken") continue;
    for (const sample of event.data.samples) {
      const reason = await flawOf(sources, sample);
      if (reason !== undefined) lost.push({ position, event, sample, reason });
    }
  }
  return lost;
}

async function flawOf(
  sources: Store["sources"],
  { digest, bytes }: SampleFile,
): Promise<string | undefined> {
  const read = await sources.get(digest)();
  if (E.isRight(read)) {
    const { length } = read.right;
    return length === bytes
      ? undefined
      : `expected ${bytes} bytes, as the log says, found ${length}`;
  }
  if (read.left.type === "SourcesUnavailable") return fail(read.left satisfies RunError);
  return describeError(read.left);
}
