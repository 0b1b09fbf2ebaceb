import type { DiskUse } from "../app/upkeep/disk_use.ts";

/** What a run takes on disk, in a line for people. */
export function diskText({ log, snapshots, perStep }: DiskUse): string {
  const perStepText = perStep === null ? "" : `: ${inWords(Math.round(perStep))} a step`;
  return `log ${inWords(log)}, snapshots ${inWords(snapshots)}${perStepText}`;
}

function inWords(bytes: number): string {
  return `${bytes.toLocaleString("en")} bytes`;
}
