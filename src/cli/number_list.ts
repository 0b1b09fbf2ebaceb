import { UsageError } from "./usage_error.ts";

/** Longest list of numbers that is read: as many as a line of a log can name. */
const MOST = 1_000_000;

/**
 * The numbers of a list such as "3,17,40-45", or of a file, "@FILE", with such lists in lines.
 *
 * Throws a UsageError that names the flag and what is no number.
 */
export async function numberList(flag: string, text: string): Promise<readonly number[]> {
  const list = text.startsWith("@") ? await contentOf(flag, text.slice(1)) : text;
  const numbers: number[] = [];
  for (const part of list.split(/[\s,]+/).filter((part) => part !== "")) {
    const [, from, to = from] = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(part) ?? [];
    if (from === undefined || Number(to) < Number(from)) {
      throw new UsageError(
        `Expected ${flag} to be numbers and ranges, such as 3,17,40-45, found "${part}".`,
      );
    }
    if (numbers.length + Number(to) - Number(from) >= MOST) {
      throw new UsageError(`Expected ${flag} to have at most ${MOST} numbers, found more.`);
    }
    for (let number = Number(from); number <= Number(to); number++) numbers.push(number);
  }
  if (numbers.length === 0) {
    throw new UsageError(`Expected ${flag} to be numbers, such as 3,17,40-45, found none.`);
  }
  return numbers;
}

async function contentOf(flag: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`Cannot read the file of ${flag}, "${path}": ${error.message}.`);
  }
}
