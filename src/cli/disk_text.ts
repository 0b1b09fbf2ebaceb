import type { DiskUse } from "../app/upkeep/disk_use.ts";

/** What a run takes on disk, in a line for people. */
export function diskText({ log, snapshots, perStep }: DiskUse): string {
  const perStepText = perStep === null ? "" : `: ${bytesText(Math.round(perStep))} a step`;
  return `log ${bytesText(log)}, snapshots ${bytesText(snapshots)}${perStepText}`;
}

/** Bytes for people. */
export function bytesText(bytes: number): string {
  return `${bytes.toLocaleString("en")} bytes`;
}
