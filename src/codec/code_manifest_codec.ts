import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import { CODE_FORMAT, type CodeManifest, isCodePath } from "../core/code_manifest.ts";
import type { Json } from "../core/json.ts";
import { canonicalJson, isCanonicalJson, parseJson } from "./canonical_json.ts";
import { decode, decoder, digest, named, object } from "./decoders.ts";
import type { LineError } from "./envelope_codec.ts";
import { decodeUtf8 } from "./utf8.ts";

const specifiers: t.Decoder<unknown, readonly string[]> = decoder(
  "specifiers in sorted order, each once",
  (value) =>
    t.array(t.string).is(value) &&
      value.every((one, index) => index === 0 || value[index - 1]! < one)
      ? value
      : undefined,
);

const codeManifest: t.Decoder<unknown, CodeManifest> = object({
  format: decoder(`format ${CODE_FORMAT}`, (value) => value === CODE_FORMAT ? value : undefined),
  files: named("a relative path of a file", isCodePath, digest),
  imports: specifiers,
});

/** The manifest's bytes, whose digest is the code's. */
export function encodeCodeManifest(manifest: CodeManifest): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson(manifest as unknown as Json));
}

/** Reads a code manifest's bytes, which must be canonical; its paths lead nowhere but below. */
export function decodeCodeManifest(bytes: Uint8Array): E.Either<LineError, CodeManifest> {
  const text = decodeUtf8(bytes);
  if (text === undefined) return damaged("not UTF-8");
  const json = parseJson(text);
  if (E.isLeft(json)) return damaged(`not JSON: ${json.left.reason}`);
  const format = (json.right as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format > CODE_FORMAT) {
    return E.left({ type: "NewerFormat", found: format, known: CODE_FORMAT });
  }
  if (!isCanonicalJson(text, json.right)) {
    return damaged("expected canonical JSON, found another form");
  }
  return E.mapLeft((reason: string): LineError => ({ type: "Damaged", reason }))(
    decode(codeManifest, json.right),
  );
}

function damaged(reason: string): E.Either<LineError, never> {
  return E.left({ type: "Damaged", reason });
}
