/** What is wrong with bytes of a format: whoever knows the file adds its name. */
export interface FormatError {
  /** What is wrong, such as "bad magic number". */
  readonly reason: string;
  readonly expected: string;
  readonly actual: string;
}

/** The error as a part of a sentence. */
export function describeFormatError({ reason, expected, actual }: FormatError): string {
  return `${reason}: expected ${expected}, found ${actual}`;
}
