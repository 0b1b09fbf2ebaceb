import * as t from "io-ts";
import { isMeasureName, MEASURE_NAME, type Measures } from "../core/measures.ts";
import { float, named } from "./decoders.ts";

const byName = named(`the name of a measure to be ${MEASURE_NAME}`, isMeasureName, float);

/** At least one measure: where nothing was measured, there is no such member. */
export const measures: t.Decoder<unknown, Measures> = new t.Type<Measures, Measures, unknown>(
  "measures",
  (_): _ is Measures => false,
  (value, context) => {
    const decoded = byName.validate(value, context);
    return decoded._tag === "Right" && Object.keys(decoded.right).length === 0
      ? t.failure(value, context, "expected at least one measure, found none")
      : decoded;
  },
  (value) => value,
);
