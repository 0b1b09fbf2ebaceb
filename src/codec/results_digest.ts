import type { Digest } from "../core/digest.ts";
import { bytesOf, type HostTensor } from "../core/host_tensor.ts";
import { sha256 } from "./digest.ts";

/** One digest of types, shapes and bits of what a kernel computed, in order. */
export function resultsDigest(results: readonly HostTensor[]): Digest {
  return sha256(
    ...results.flatMap((result) => [`${result.dtype} [${result.shape}]`, bytesOf(result)]),
  );
}
