/**
 * What a task measures in an evaluation beside the loss, such as the accuracy: by name, each the float64
 * mean of the float32 values of the held-out batches.
 */
export type Measures = Readonly<Record<string, number>>;

/** What `isMeasureName` accepts, in words. */
export const MEASURE_NAME = "a letter, and then up to 63 letters, digits, dots, _ and -";

/** Whether a text names a measure: it is shown beside its value, and is a member of events. */
export function isMeasureName(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9._-]{0,63}$/.test(text);
}
