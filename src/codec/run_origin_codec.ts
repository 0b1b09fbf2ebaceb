import * as t from "io-ts";
import type { LeftOut } from "../core/left_out.ts";
import type { ParentState, RunOrigin, WeightsName } from "../core/run_origin.ts";
import { count, digest, literals, object, partly } from "./decoders.ts";

const parentState: t.Decoder<unknown, ParentState> = object({
  run: t.string,
  step: count,
  state: digest,
  history: digest,
  envelope: digest,
});

const places = object({ epoch: count, index: count, count });

const leftOut: t.Decoder<unknown, LeftOut> = object({
  samples: t.array(count as t.Type<number>),
  places: t.array(places as t.Type<LeftOut["places"][number]>),
});

const weightsName: t.Decoder<unknown, WeightsName> = object({ name: t.string, digest });

const place = { snapshot: digest, step: count, epoch: count, index: count };

const inRun: t.Decoder<unknown, RunOrigin> = partly(
  { parent: parentState, takes: literals("state", "weights"), ...place },
  { into: t.string, leftOut, divergence: count },
);

const inFile: t.Decoder<unknown, RunOrigin> = partly(
  { file: weightsName, takes: literals("weights"), ...place },
  { into: t.string },
);

/** Where a run begins that is a fork of another, or that begins with the weights of a file. */
export const runOrigin: t.Decoder<unknown, RunOrigin> = new t.Type<RunOrigin, RunOrigin, unknown>(
  "origin of a run",
  (_): _ is RunOrigin => false,
  (value, context) => {
    const form = Object.hasOwn(Object(value), "file") ? inFile : inRun;
    return form.validate(value, context);
  },
  (value) => value,
);
