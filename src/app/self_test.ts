import { sha256 } from "../codec/digest.ts";
import { resultsDigest } from "../codec/results_digest.ts";
import type { Digest } from "../core/digest.ts";
import { permutation } from "../core/permutation.ts";
import { foldIn, key } from "../core/rng_key.ts";
import type { KernelReport, SelfTestReport } from "../core/self_test_report.ts";
import type { Device } from "../ports/device.ts";
import { release } from "../train/ownership.ts";
import {
  computeCase,
  describeCase,
  hasKernel,
  type KernelCase,
} from "../train/self_test/kernel_case.ts";
import { ownCases } from "../train/self_test/own_cases.ts";
import { stockCases } from "../train/self_test/stock_cases.ts";
import type { Tensor } from "../train/tree.ts";

/** How often each kernel is run, unless told otherwise. */
const ROUNDS = 3;

/** What a case gave in a round: a digest of its bits, or why it threw. */
type Outcome = { readonly digest: Digest } | { readonly reason: string };

/**
 * Whether each kernel that trainings use gives the same bits each time on a device: foldlog's own and
 * tfjs's, forward and gradients, of sizes that reach each way they compute.
 *
 * Each is run in `rounds` rounds of different orders, so that other work lies before and between, and
 * from the second on with another one under way. A digest of all bits comes with it: where two machines,
 * or two processes, have the same one, they compute alike.
 *
 * @example
 * ```ts
 * import { isExact, openDevice, orThrow, selfTest } from "foldlog";
 *
 * const report = await selfTest(await orThrow(openDevice("wasm")), { rounds: 2 });
 * if (!isExact(report)) throw new Error(report.kernels.map(({ detail }) => detail).join("\n"));
 * ```
 */
export async function selfTest(
  device: Device,
  { rounds = ROUNDS }: { readonly rounds?: number } = {},
): Promise<SelfTestReport> {
  await device.activate();
  const all = [...ownCases(), ...stockCases()];
  const outcomes = await outcomesOf(device, all.filter(({ kernel }) => hasKernel(kernel)), rounds);
  const kernels = [...Map.groupBy(all, ({ kernel }) => kernel)]
    .map(([kernel, cases]) => reportOf(kernel, cases, outcomes));
  const lines = kernels.map(({ kernel, digest }) => `${kernel} ${digest}\n`);
  return { backend: device.environment.backend, digest: sha256(...lines), kernels };
}

/** Runs each case once a round. The first round is in the order given, the others in orders of their own. */
async function outcomesOf(
  device: Device,
  cases: readonly KernelCase[],
  rounds: number,
): Promise<ReadonlyMap<KernelCase, readonly Outcome[]>> {
  const outcomes = new Map<KernelCase, Outcome[]>(cases.map((one) => [one, []]));
  for (let round = 0; round < rounds; round++) {
    const shuffle = permutation(foldIn(key(0), round), cases.length);
    const order = round === 0 ? cases : cases.map((_, place) => cases[shuffle(place)]!);
    for (const [place, one] of order.entries()) {
      const beside = round === 0 ? undefined : order[(place + 1) % order.length];
      outcomes.get(one)!.push(await outcomeOf(device, one, beside));
    }
  }
  return outcomes;
}

/** Computes a case, and another one before its results are read; digests its bits. */
async function outcomeOf(
  device: Device,
  one: KernelCase,
  beside: KernelCase | undefined,
): Promise<Outcome> {
  let results: Tensor[] = [];
  try {
    results = computeCase(one);
    if (beside !== undefined) disturb(beside);
    const read = [];
    for (const result of results) read.push(await device.read(result));
    return { digest: resultsDigest(read) };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  } finally {
    release(results);
  }
}

/** Has a case computed for nothing; one that throws is reported when its own turn comes. */
function disturb(one: KernelCase): void {
  try {
    release(computeCase(one));
  } catch { /* see above */ }
}

/** What the cases of a kernel gave says of it. */
function reportOf(
  kernel: string,
  cases: readonly KernelCase[],
  outcomes: ReadonlyMap<KernelCase, readonly Outcome[]>,
): KernelReport {
  const digests: Digest[] = [];
  const differing: string[] = [];
  for (const one of cases) {
    const [first, ...later] = outcomes.get(one) ?? [];
    if (first === undefined) return { kernel, verdict: "missing", digest: sha256(), detail: "" };
    const thrown = [first, ...later].find((outcome) => "reason" in outcome);
    if (thrown !== undefined) {
      const detail = `${describeCase(one)}: ${thrown.reason}`;
      return { kernel, verdict: "failed", digest: sha256(), detail };
    }
    const { digest } = first as { readonly digest: Digest };
    digests.push(digest);
    if (later.some((outcome) => "digest" in outcome && outcome.digest !== digest)) {
      differing.push(describeCase(one));
    }
  }
  const digest = sha256(...digests);
  if (differing.length === 0) return { kernel, verdict: "exact", digest, detail: "" };
  const detail = `${differing.length} of ${cases.length} sizes differ, the first ${differing[0]}`;
  return { kernel, verdict: "not exact", digest, detail };
}
