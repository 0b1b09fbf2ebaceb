/**
 * Refuses an argument that is not an integer of a range: programmer mistakes, not data.
 *
 * @throws {RangeError} unless `found` is a safe integer from `least` to `most`
 */
export function requireInteger(
  name: string,
  found: number,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): void {
  if (!Number.isSafeInteger(found) || found < least || found > most) {
    throw new RangeError(`${name}: expected an integer from ${least} to ${most}, found ${found}`);
  }
}
