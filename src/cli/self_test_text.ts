import { KERNEL_VERDICTS, type SelfTestReport } from "../core/self_test_report.ts";
import { table } from "./table.ts";

/** A self-test of a backend that could be started; `note` says why fresh processes could not compare. */
export interface Tested {
  readonly report: SelfTestReport;
  readonly note: string;
}

/**
 * Self-tests for people: what was compared with what, one line a backend, and one for each kernel that is
 * not exact.
 */
export function selfTestText(tested: readonly Tested[], freshProcesses: number): string {
  const compared = freshProcesses === 0
    ? "in this process (--allow-run compares it with fresh ones)"
    : `in this process and in ${freshProcesses} fresh ones at once`;
  const head = ["BACKEND", ...KERNEL_VERDICTS.map((verdict) => verdict.toUpperCase()), "DIGEST"];
  const rows = tested.map(({ report }) => [report.backend, ...counts(report), report.digest]);
  const exceptions = tested.flatMap(({ report: { backend, kernels }, note }) => [
    ...kernels.filter(({ verdict }) => verdict !== "exact").map(({ kernel, verdict, detail }) =>
      `${backend}: ${kernel}: ${verdict}${detail === "" ? "" : `, ${detail}`}`
    ),
    ...(note === "" ? [] : [`${backend}: ${note}`]),
  ]);
  return [`Self-test ${compared}:`, table(head, rows), ...exceptions].join("\n");
}

/** How many kernels have each verdict. */
function counts({ kernels }: SelfTestReport): readonly string[] {
  return KERNEL_VERDICTS.map((verdict) =>
    String(kernels.filter((kernel) => kernel.verdict === verdict).length)
  );
}
