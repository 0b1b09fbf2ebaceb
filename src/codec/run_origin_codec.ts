import * as t from "io-ts";
import type { LeftOut } from "../core/left_out.ts";
import type { ParentState, RunOrigin } from "../core/run_origin.ts";
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

/** Where a fork begins. */
export const runOrigin: t.Decoder<unknown, RunOrigin> = partly({
  parent: parentState,
  takes: literals("state", "weights"),
  snapshot: digest,
  step: count,
  epoch: count,
  index: count,
}, { leftOut, divergence: count });
