import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { Json } from "../core/json.ts";
import {
  type FileRef,
  isGroupName,
  SNAPSHOT_FORMAT,
  type SnapshotManifest,
} from "../core/snapshot.ts";
import { canonicalJson, isCanonicalJson, parseJson } from "./canonical_json.ts";
import { count, dataCursor, decode, decoder, digest, named, object } from "./decoders.ts";
import type { LineError } from "./envelope_codec.ts";

const fileRef: t.Decoder<unknown, FileRef> = object({ digest, bytes: count });

const groupFiles = named('a group such as "model"', isGroupName, fileRef);

const members = {
  task: t.string,
  step: count,
  cursor: dataCursor,
  state: digest,
  files: groupFiles,
  leaves: t.record(t.string, digest as t.Type<string>),
};

const format1: t.Decoder<unknown, SnapshotManifest> = object({ format: exactly(1), ...members });
const format2: t.Decoder<unknown, SnapshotManifest> = object({
  format: exactly(SNAPSHOT_FORMAT),
  ...members,
  history: digest,
});

/** The manifest's bytes, whose digest is the snapshot's id. */
export function encodeManifest(snapshot: SnapshotManifest): Uint8Array {
  return new TextEncoder().encode(canonicalJson(snapshot as unknown as Json));
}

/** Reads a manifest's bytes, which must be canonical. */
export function decodeManifest(bytes: Uint8Array): E.Either<LineError, SnapshotManifest> {
  const text = decodeUtf8(bytes);
  if (text === undefined) return E.left({ type: "Damaged", reason: "not UTF-8" });
  const json = parseJson(text);
  if (E.isLeft(json)) return E.left({ type: "Damaged", reason: `not JSON: ${json.left.reason}` });
  const format = (json.right as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format > SNAPSHOT_FORMAT) {
    return E.left({ type: "NewerFormat", found: format, known: SNAPSHOT_FORMAT });
  }
  if (!isCanonicalJson(text, json.right)) {
    return E.left({ type: "Damaged", reason: "expected canonical JSON, found another form" });
  }
  return E.mapLeft((reason: string): LineError => ({ type: "Damaged", reason }))(
    decode(format === 1 ? format1 : format2, json.right),
  );
}

function exactly(format: number): t.Decoder<unknown, number> {
  return decoder(`format ${format}`, (value) => value === format ? format : undefined);
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
