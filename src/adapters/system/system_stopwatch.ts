import type { Stopwatch } from "../../ports/stopwatch.ts";

/** The machine's monotonic clock. */
export const systemStopwatch: Stopwatch = { elapsed: () => performance.now() };
