import type { NonEmptyString } from "@optique/core/nonempty";
import { choice, type ValueParser } from "@optique/core/valueparser";

/** One of these, which help shows. */
export function oneOf<const A extends string>(...values: readonly A[]): ValueParser<"sync", A> {
  return choice(values, { metavar: values.join("|") as NonEmptyString });
}
