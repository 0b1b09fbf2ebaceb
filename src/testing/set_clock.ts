import type { Clock } from "../ports/clock.ts";

/** A clock that shows what it is set to. */
export interface SetClock extends Clock {
  time: string;
}

/** A clock that stands still until it is set. */
export function setClock(time = "2026-07-01T12:00:00.000Z"): SetClock {
  return {
    time,
    now() {
      return this.time;
    },
  };
}
