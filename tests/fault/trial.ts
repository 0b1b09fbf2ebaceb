import { isGood, type Verdict } from "./judge.ts";
import type { Row } from "./sites.ts";

/** The columns of the matrix. */
export const COLUMNS = [
  "kill",
  "EIO",
  "ENOSPC",
  "short write",
  "fsync failure",
  "power loss",
] as const;

/** What makes the faults. */
export const MEANS = [
  "strace",
  "full tmpfs",
  "file size limit",
  "short FsFile.write",
  "ext4",
  "model",
  "killed, then model",
] as const;

/** One fault that was tried. */
export interface Trial {
  readonly row: Row;
  readonly column: (typeof COLUMNS)[number];
  readonly means: (typeof MEANS)[number];
  /** The operation and the fault, for people. */
  readonly what: string;
  readonly verdict: Verdict;
  /** Whether the fault struck: a process that ended before it came proves nothing. */
  readonly struck: boolean;
}

/** A trial that went wrong, in words. */
export function complaintOf({ what, verdict, means }: Trial): string | undefined {
  if (isGood(verdict)) return undefined;
  const { lost, torn, unequal, misbehaved } = verdict;
  const words = [
    lost > 0 ? `${lost} acknowledged events lost` : "",
    ...torn,
    ...unequal,
    ...misbehaved,
  ];
  return `${what} (${means}): ${words.filter((word) => word !== "").join("; ")}`;
}
