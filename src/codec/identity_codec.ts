import * as t from "io-ts";
import type { DataIdentity } from "../core/data_identity.ts";
import type { Environment } from "../core/environment.ts";
import { count, digest, hexadecimal, named, object, partly } from "./decoders.ts";

/** Where steps are computed. */
export const environment: t.Decoder<unknown, Environment> = partly({
  backend: t.string,
  adapter: t.string,
  tfjs: t.string,
  runtime: t.string,
  platform: t.string,
}, { kernels: named("the name of a kernel", isKernelName, hexadecimal(16)) });

function isKernelName(name: string): boolean {
  return /^[A-Za-z][\w.]*$/.test(name);
}

/** Which data a run trains on. */
export const dataIdentity: t.Decoder<unknown, DataIdentity> = object({
  name: t.string,
  samples: count,
  digest,
});
