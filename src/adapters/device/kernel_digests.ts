import { resultsDigest } from "../../codec/results_digest.ts";
import type { Environment } from "../../core/environment.ts";
import type { Device } from "../../ports/device.ts";
import { release } from "../../train/ownership.ts";
import { computeCase, hasKernel, type KernelCase } from "../../train/self_test/kernel_case.ts";
import { shortCases } from "../../train/self_test/short_cases.ts";
import type { Tensor } from "../../train/tree.ts";

/** Hexadecimal digits of a digest that are kept: 64 bits, against accidents. */
const DIGITS = 16;

/**
 * What each kernel of the current backend computes on small inputs: the first digits of a SHA-256 over
 * types, shapes and bits of its results, in the order of `shortCases`. A kernel that the backend has not,
 * or that throws, has none.
 *
 * All is dispatched before anything is read back. Leaves no tensors behind.
 */
export async function kernelDigests(
  read: Device["read"],
): Promise<NonNullable<Environment["kernels"]>> {
  const kernels = Map.groupBy(shortCases(), ({ kernel }) => kernel);
  const computed = [...kernels].flatMap(([kernel, cases]): (readonly [string, Tensor[]])[] => {
    const results = hasKernel(kernel) ? resultsOf(cases) : undefined;
    return results === undefined ? [] : [[kernel, results]];
  });
  try {
    const digests = computed.map(async ([kernel, results]) =>
      [kernel, await digestOf(results, read)] as const
    );
    await Promise.allSettled(digests);
    return Object.fromEntries(await Promise.all(digests));
  } finally {
    release(computed.map(([, results]) => results));
  }
}

/** The results of cases, which the caller owns; undefined where one throws. */
function resultsOf(cases: readonly KernelCase[]): Tensor[] | undefined {
  const results: Tensor[] = [];
  try {
    for (const one of cases) results.push(...computeCase(one));
    return results;
  } catch {
    release(results);
    return undefined;
  }
}

async function digestOf(results: readonly Tensor[], read: Device["read"]): Promise<string> {
  const values = await Promise.all(results.map((result) => read(result)));
  return resultsDigest(values).slice(0, DIGITS);
}
