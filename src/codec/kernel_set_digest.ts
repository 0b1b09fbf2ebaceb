import type { Digest } from "../core/digest.ts";
import type { Environment } from "../core/environment.ts";
import { canonicalJson } from "./canonical_json.ts";
import { sha256 } from "./digest.ts";

/** One digest for what all kernels of an environment compute; undefined where none is recorded. */
export function kernelSetDigest({ kernels }: Environment): Digest | undefined {
  return kernels && sha256(canonicalJson(kernels));
}
