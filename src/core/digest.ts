/** A SHA-256 digest (FIPS 180-4) as 64 lower-case hexadecimal digits. */
export type Digest = string;

/** Whether `text` is written as a {@link Digest} is: upper-case digits and prefixes are refused. */
export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
