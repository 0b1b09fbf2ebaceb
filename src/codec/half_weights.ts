import * as E from "fp-ts/Either.js";
import type { HostTensor } from "../core/host_tensor.ts";
import type { TensorGroup } from "../core/snapshot.ts";
import { widened } from "./half_floats.ts";
import type { SafetensorsError } from "./safetensors_error.ts";
import { OWN_TYPES } from "./safetensors_format.ts";
import type { SafetensorsEntry } from "./safetensors_header.ts";
import { ownTensor, partsOfSafetensors } from "./safetensors_reader.ts";

/** The types that others' files of weights have besides, and that masks beside the weights have. */
const TYPES = { ...OWN_TYPES, F16: 2, BF16: 2, BOOL: 1, U8: 1 } as const;

/** The types that weights can be read from. */
const WEIGHTS: readonly string[] = ["F32", "F16", "BF16", "I32"];

/** The weights of a file, and what it says besides. */
export interface HalfWeights {
  readonly tensors: TensorGroup;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the weights of a safetensors file that others wrote: as `decodeSafetensors`, with F16 and BF16 as
 * float32. A tensor for which `isWeight` is false is left out; it may be BOOL or U8, as masks are.
 *
 * Never throws. A tensor of 4 bytes an element is a view of `bytes` where it is aligned there.
 */
export function decodeHalfWeights(
  bytes: Uint8Array,
  isWeight: (name: string) => boolean = () => true,
): E.Either<SafetensorsError, HalfWeights> {
  const parts = partsOfSafetensors(bytes, TYPES);
  if (E.isLeft(parts)) return parts;
  const { entries, metadata, data } = parts.right;
  const tensors = new Map<string, HostTensor>();
  for (const entry of entries) {
    if (!isWeight(entry.name)) continue;
    const tensor = tensorOf(entry, data);
    if (tensor === undefined) {
      const { name, dtype } = entry;
      return E.left({ type: "UnsupportedDtype", tensor: name, expected: WEIGHTS, actual: dtype });
    }
    tensors.set(entry.name, tensor);
  }
  return E.right({ tensors, metadata });
}

function tensorOf(
  { dtype, ...place }: SafetensorsEntry<keyof typeof TYPES>,
  data: Uint8Array,
): HostTensor | undefined {
  switch (dtype) {
    case "F32":
    case "I32":
      return ownTensor({ dtype, ...place }, data);
    case "F16":
    case "BF16": {
      const { shape, begin, end } = place;
      return { dtype: "float32", shape, data: widened(dtype, data.subarray(begin, end)) };
    }
    default:
      return undefined;
  }
}
