import type { Digest } from "./digest.ts";
import { livePath, type PlacedEvent } from "./live_path.ts";

/** A file that shows people what the parameters of a step can do, such as a picture. */
export interface SampleFile {
  /** Under which it is shown: see `sampleNameFlaw`. */
  readonly name: string;
  /** Of its bytes, which the store has. */
  readonly digest: Digest;
  /** How many bytes it has. */
  readonly bytes: number;
}

/** What `isSampleName` accepts, in words. */
export const SAMPLE_NAME = "a letter or a digit, and then up to 127 letters, digits, dots, _ and -";

/** Whether a text can be the name of a file in a directory of samples: nothing leads out of it. */
export function isSampleName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text);
}

/**
 * What is wrong with the names of the samples of a step, as "expected ..., found ...". Each begins with the
 * step, as in "step_200_sample_0.png", so that no two steps of a run share one.
 */
export function sampleNameFlaw(step: number, names: readonly string[]): string | undefined {
  const [bad] = names.filter((name) => !isSampleName(name));
  if (bad !== undefined) {
    return `expected the name of a sample to be ${SAMPLE_NAME}, found ${JSON.stringify(bad)}`;
  }
  const other = names.find((name) => !name.startsWith(`step_${step}_`));
  if (other !== undefined) {
    return `expected the name of a sample of step ${step} to begin with step_${step}_, found ${other}`;
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice &&
    `expected the samples of step ${step} to have names of their own, found two ${twice}`;
}

/** The samples of a run's live branch, as its events say, in their order: what its view shows. */
export function samplesShown(events: Iterable<PlacedEvent>): readonly SampleFile[] {
  return livePath(events).flatMap(({ event }) =>
    event.type === "SamplesTaken" ? event.data.samples : []
  );
}
