import { fail } from "../../ports/attempt.ts";
import type { BatchSource } from "../../ports/batch_source.ts";
import type { RunError } from "../errors/errors.ts";

/** Fails with DataMisfit unless the samples of two data sets have tensors of the same names and forms. */
export async function requireSameForm(expected: BatchSource, actual: BatchSource): Promise<void> {
  const [before, now] = [await formOf(expected), await formOf(actual)];
  if (before === now) return;
  const { name } = actual.identity;
  fail({ type: "DataMisfit", name, expected: before, actual: now } satisfies RunError);
}

/** The tensors of a sample: "tokens int32[64]", by name. */
async function formOf(source: BatchSource): Promise<string> {
  const tensors = Object.entries(await source.at([0])).map(([name, { dtype, shape }]) =>
    `${name} ${dtype}[${shape.slice(1)}]`
  );
  return tensors.sort().join(", ");
}
