import { systemClock } from "../adapters/system/system_clock.ts";
import {
  anyOf,
  keepBest,
  keepEvery,
  keepLast,
  keepSince,
  type RetentionPolicy,
} from "../core/retention_policy.ts";
import { UsageError } from "./usage_error.ts";

/** What the command line says of the snapshots that are kept. */
export interface RetentionArguments {
  readonly keepLast: number | undefined;
  readonly keepBest: number | undefined;
  readonly keepEvery: number | undefined;
  readonly youngerThan?: string | undefined;
}

/** The policy that keeps what any of the rules wants; undefined where there is no rule. */
export function retentionOf(args: RetentionArguments): RetentionPolicy | undefined {
  const { keepLast: last, keepBest: best, keepEvery: every, youngerThan } = args;
  const rules: RetentionPolicy[] = [];
  if (last !== undefined) rules.push(keepLast(last));
  if (best !== undefined) rules.push(keepBest(best));
  if (every !== undefined) rules.push(keepEvery(every));
  if (youngerThan !== undefined) rules.push(keepSince(momentBefore(youngerThan)));
  return rules.length === 0 ? undefined : anyOf(...rules);
}

const MINUTES: Readonly<Record<string, number>> = { m: 1, h: 60, d: 24 * 60 };

/** The moment that is so long ago. */
function momentBefore(age: string): string {
  const [, count, unit] = /^([0-9]{1,6})([mhd])$/.exec(age) ?? [];
  if (count === undefined || unit === undefined) {
    throw new UsageError(
      `Expected --younger-than to be a time such as 7d, 12h or 30m, found "${age}".`,
    );
  }
  const milliseconds = Number(count) * MINUTES[unit]! * 60_000;
  return new Date(Date.parse(systemClock.now()) - milliseconds).toISOString();
}
