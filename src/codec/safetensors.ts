/**
 * safetensors files, the form of all tensors on disk: F32 and I32, deterministic, read as hostile.
 *
 * A file is a u64 (little-endian) header length, a JSON header of that many bytes, and the
 * elements, row-major and little-endian.
 *
 * @module
 */
export { describeSafetensorsError, type SafetensorsError } from "./safetensors_error.ts";
export { decodeSafetensors, type SafetensorsFile } from "./safetensors_reader.ts";
export {
  encodeSafetensors,
  type NamedTensor,
  type SafetensorsLayout,
  safetensorsLayout,
} from "./safetensors_writer.ts";
