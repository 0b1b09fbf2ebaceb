/** Bytes to data and back: canonical JSON, events and envelopes, manifests, safetensors. @module */
export { canonicalJson, type JsonError, type JsonLimits, parseJson } from "./canonical_json.ts";
export { type CodeIdentity, codeIdentity } from "./code_identity.ts";
export { decodeCodeManifest, encodeCodeManifest } from "./code_manifest_codec.ts";
export {
  type ConfigFile,
  type ConfigFileError,
  type ConfigFlaw,
  decodeConfigFile,
  type FileSettings,
} from "./config_file_codec.ts";
export { sha256 } from "./digest.ts";
export {
  decodeLine,
  encodeLine,
  GENESIS,
  type LineError,
  seal,
  type Stamp,
} from "./envelope_codec.ts";
export { decodeEvent, encodeEvent } from "./event_codec.ts";
export { historyCsv, historyJsonl } from "./history_codec.ts";
export { historyDigest, NO_HISTORY } from "./history_digest.ts";
export { type GrayImage, grayPng } from "./png.ts";
export { decodeManifest, encodeManifest } from "./manifest_codec.ts";
export {
  decodeSafetensors,
  describeSafetensorsError,
  encodeSafetensors,
  type SafetensorsError,
  type SafetensorsFile,
} from "./safetensors.ts";
export {
  batchDigest,
  differingLeaves,
  leafDigests,
  manifestOf,
  type PackedSnapshot,
  packSnapshot,
  stateDigest,
  tensorDigest,
  unpackSnapshot,
} from "./snapshot_codec.ts";
