import * as E from "fp-ts/Either.js";

/** Name of a run: its directory in the store and its stream in the log. Checked by `parseRunId`. */
export type RunId = string;

/** A text that cannot name a run. */
export interface BadRunId {
  readonly type: "BadRunId";
  readonly found: string;
  readonly reason: string;
}

const PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const RESERVED = ["objects"];

/** Accepts 1 to 64 letters, digits, `.`, `_` and `-` that start with a letter or digit and are not a name of the store's own. */
export function parseRunId(text: string): E.Either<BadRunId, RunId> {
  if (!PATTERN.test(text)) {
    return E.left({
      type: "BadRunId",
      found: text,
      reason: "expected 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit",
    });
  }
  if (RESERVED.includes(text.toLowerCase()) || text.endsWith(".")) {
    return E.left({ type: "BadRunId", found: text, reason: "this name is reserved by the store" });
  }
  return E.right(text);
}
