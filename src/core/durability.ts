import * as E from "fp-ts/Either.js";

/**
 * When what is appended becomes durable: after every append, or within so many milliseconds together
 * with all that came meanwhile (group commit). An append resolves only when it is durable, either way.
 */
export type Durability =
  | { readonly type: "every-step" }
  | { readonly type: "every-ms"; readonly milliseconds: number };

/** Each append on its own: nothing that was recorded is ever lost. */
export const everyStep: Durability = { type: "every-step" };

const LONGEST = 60_000;

/** Reads "every-step" or "every-ms:N" with N from 1 to 60000; else what was expected. */
export function parseDurability(text: string): E.Either<string, Durability> {
  if (text === "every-step") return E.right(everyStep);
  const milliseconds = Number(/^every-ms:([0-9]{1,5})$/.exec(text)?.[1] ?? 0);
  if (milliseconds >= 1 && milliseconds <= LONGEST) {
    return E.right({ type: "every-ms", milliseconds });
  }
  return E.left(`"every-step" or "every-ms:N" with N from 1 to ${LONGEST}`);
}
