import type { Settings } from "../core/config.ts";

/**
 * Settings of a recipe's own that are whole numbers of at least 1, by their names in a group such as "model".
 *
 * @throws {RangeError} for one that is not
 */
export function wholeSettings<Name extends string>(
  group: string,
  settings: Settings,
  names: readonly Name[],
): Readonly<Record<Name, number>> {
  for (const name of names) {
    const value = settings[name];
    if (!Number.isSafeInteger(value) || (value as number) < 1) {
      throw new RangeError(
        `Expected ${group}.${name} to be a whole number above 0, found ${value}`,
      );
    }
  }
  return settings as Readonly<Record<Name, number>>;
}

/**
 * A setting of a recipe's own that is a share of something from 0 up to, not including, 1.
 *
 * @throws {RangeError} where it is not
 */
export function shareSetting(group: string, settings: Settings, name: string): number {
  const value = settings[name];
  if (typeof value === "number" && value >= 0 && value < 1) return value;
  throw new RangeError(
    `Expected ${group}.${name} from 0 up to, not including, 1, found ${value}`,
  );
}
