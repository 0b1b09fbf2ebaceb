import type { Digest } from "./digest.ts";

/**
 * What a self-test can say of a kernel: it gave the same bits each time, it did not, the backend has
 * none of its name, or it threw.
 */
export const KERNEL_VERDICTS = ["exact", "not exact", "missing", "failed"] as const;

/** One of the verdicts. */
export type KernelVerdict = (typeof KERNEL_VERDICTS)[number];

/** What a self-test found of one kernel of a backend. */
export interface KernelReport {
  readonly kernel: string;
  readonly verdict: KernelVerdict;
  /** Of the bits of all its results, the first time; of none where it is missing or failed. */
  readonly digest: Digest;
  /** Where it is not exact, or failed: what was computed, and how it differs. Empty elsewhere. */
  readonly detail: string;
}

/** What a self-test found of a backend. */
export interface SelfTestReport {
  readonly backend: string;
  /** Of the bits of all kernels: two machines with the same digest compute alike. */
  readonly digest: Digest;
  readonly kernels: readonly KernelReport[];
}

/** Whether a training on the backend can be exact: nothing differs, and nothing that is there throws. */
export function isExact({ kernels }: SelfTestReport): boolean {
  return kernels.every(({ verdict }) => verdict === "exact" || verdict === "missing");
}

/**
 * The report of one process in the light of those of others on the same machine: a kernel that has other
 * bits in one of them, or another verdict, is not what it was taken for.
 */
export function comparedWith(
  report: SelfTestReport,
  others: readonly SelfTestReport[],
): SelfTestReport {
  const kernels = report.kernels.map((mine): KernelReport => {
    if (mine.verdict === "not exact" || mine.verdict === "failed") return mine;
    const theirs = others.flatMap((other) =>
      other.kernels.filter(({ kernel }) => kernel === mine.kernel)
    );
    const worse = theirs.find(({ verdict }) => verdict !== mine.verdict);
    if (worse !== undefined) return { ...mine, verdict: worse.verdict, detail: worse.detail };
    const differing = theirs.filter(({ digest }) => digest !== mine.digest).length;
    if (differing === 0) return mine;
    const detail = `other bits in ${differing} of ${others.length} fresh processes`;
    return { ...mine, verdict: "not exact", detail };
  });
  return { ...report, kernels };
}
