import type { Clock } from "../../ports/clock.ts";

let millisecond = NaN;
let text = "";

/** The machine's clock. A log asks it more often than it changes: its text is made once for each. */
export const systemClock: Clock = {
  now() {
    const now = Date.now();
    if (now !== millisecond) {
      millisecond = now;
      text = new Date(now).toISOString();
    }
    return text;
  },
};
