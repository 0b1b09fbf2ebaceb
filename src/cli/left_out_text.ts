import type { LeftOut } from "../core/left_out.ts";
import { counted } from "./counted.ts";

/** What a fork leaves out, in words. */
export function leftOutText({ samples, places }: LeftOut): string {
  const skipped = places.reduce((sum, { count }) => sum + count, 0);
  return [
    ...(samples.length > 0 ? [`${counted(samples.length, "sample")} of every epoch`] : []),
    ...(skipped > 0 ? [`${counted(skipped, "sample")} of skipped batches`] : []),
  ].join(", ");
}
