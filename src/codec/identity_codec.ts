import * as t from "io-ts";
import { type DataFile, type DataIdentity, flawOfFiles } from "../core/data_identity.ts";
import type { Environment } from "../core/environment.ts";
import { count, digest, hexadecimal, named, object, partly, refined } from "./decoders.ts";

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

const dataFile: t.Decoder<unknown, DataFile> = object({ name: t.string, samples: count });

const identity: t.Decoder<unknown, DataIdentity> = partly(
  { name: t.string, samples: count, digest },
  { files: t.array(dataFile as t.Type<DataFile>) },
);

/** Which data a run trains on: its files, if any, have all of its samples. */
export const dataIdentity: t.Decoder<unknown, DataIdentity> = refined(identity, flawOfFiles);
