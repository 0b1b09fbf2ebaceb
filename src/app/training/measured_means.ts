import { isMeasureName, MEASURE_NAME, type Measures } from "../../core/measures.ts";

/**
 * Adds the values of one batch to the sums by name. Throws a RangeError where a name is none, or where the
 * names are not those of the batches before.
 */
export function addMeasured(sums: Map<string, number>, measured: Measures, isFirst: boolean): void {
  for (const [name, value] of Object.entries(measured)) {
    if (!isMeasureName(name)) {
      throw new RangeError(
        `Expected the name of a measure to be ${MEASURE_NAME}, found ${JSON.stringify(name)}: ` +
          "name it otherwise in the task's evaluation.measures.",
      );
    }
    if (!isFirst && !sums.has(name)) throw otherNames(sums, measured);
    sums.set(name, (sums.get(name) ?? 0) + value);
  }
  if (sums.size !== Object.keys(measured).length) throw otherNames(sums, measured);
}

/** The means over so many batches, in the order of their names. */
export function measuredMeans(sums: ReadonlyMap<string, number>, batches: number): Measures {
  const means = [...sums].map(([name, sum]) => [name, sum / batches] as const);
  return Object.fromEntries(means.sort(([a], [b]) => a < b ? -1 : 1));
}

function otherNames(sums: ReadonlyMap<string, number>, measured: Measures): RangeError {
  const [expected, found] = [[...sums.keys()], Object.keys(measured)].map((names) =>
    names.join(", ") || "none"
  );
  return new RangeError(
    `Expected every batch of an evaluation to have the measures ${expected}, found ${found}`,
  );
}
