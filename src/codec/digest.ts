import { createHash } from "node:crypto";
import type { Digest } from "../core/digest.ts";

/**
 * The SHA-256 digest (FIPS 180-4) of the chunks, one after the other.
 *
 * Only the concatenation counts, not where one chunk ends and the next begins. Strings are hashed
 * as UTF-8. Chunks are borrowed.
 *
 * @throws TypeError for a string with a lone surrogate: UTF-8 cannot carry it, and two such strings
 * would get one digest.
 *
 * @example
 * ```ts
 * if (sha256("ab", "c") !== sha256("abc")) throw new Error("where chunks end counts");
 * ```
 */
export function sha256(...chunks: readonly (Uint8Array | string)[]): Digest {
  const hash = createHash("sha256");
  for (const chunk of chunks) {
    if (typeof chunk === "string" && !chunk.isWellFormed()) {
      throw new TypeError(
        `Cannot hash a string: expected text that UTF-8 can carry, found a lone surrogate in ${
          JSON.stringify(chunk.slice(0, 80))
        }`,
      );
    }
    hash.update(chunk);
  }
  return hash.digest("hex");
}
