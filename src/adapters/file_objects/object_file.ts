import { createHash } from "node:crypto";
import * as E from "fp-ts/Either.js";
import {
  COMPRESSED_HEADER_BYTES,
  type CompressedHeader,
  decodeCompressedHeader,
} from "../../codec/compressed_header.ts";
import { sha256 } from "../../codec/digest.ts";
import { type Digest, isDigest } from "../../core/digest.ts";
import { decompress } from "./compressed_blocks.ts";
import { readRegular, readStart, type SizeRange } from "../files/regular_file.ts";

/** An object as it was found: its own bytes, checked against its digest, or why there are none. */
export type FoundObject =
  | FoundPlain
  | {
    /** Compressed in a format that a newer foldlog writes: it is no damage, and not to be mended. */
    readonly type: "Newer";
    readonly place: string;
    readonly found: number;
    readonly known: number;
  };

/** An object that is never compressed, as it was found. */
export type FoundPlain =
  | { readonly type: "Object"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "Missing"; readonly place: string }
  | { readonly type: "Damaged"; readonly place: string; readonly reason: string };

/** More than a writer's chain: a base that was lost may have been stored again on others. */
const MAX_BASES = 64;

const ANY_SIZE: SizeRange = { least: 0, most: Number.MAX_SAFE_INTEGER };

const COMPRESSED = ".zst";

/** The place of an object below the root of its store. */
export function objectName(digest: Digest): string {
  if (!isDigest(digest)) throw new TypeError(`Expected a SHA-256 digest, found "${digest}"`);
  return `objects/${digest.slice(0, 2)}/${digest}`;
}

/** The place of an object that is kept compressed. */
export function compressedName(digest: Digest): string {
  return objectName(digest) + COMPRESSED;
}

/** The digest of the object that a file of this name in `objects/<aa>/` holds, if it is such a name. */
export function digestOfName(name: string): Digest | undefined {
  const digest = name.endsWith(COMPRESSED) ? name.slice(0, -COMPRESSED.length) : name;
  return isDigest(digest) ? digest : undefined;
}

/** Reads an object of a known size, plain or compressed. */
export async function readObject(
  root: string,
  digest: Digest,
  bytes: number,
): Promise<FoundObject> {
  return await readEither(root, digest, bytes, 0);
}

/** Reads an object that is never compressed. */
export async function readPlain(
  root: string,
  digest: Digest,
  size: SizeRange,
): Promise<FoundPlain> {
  const place = `${root}/${objectName(digest)}`;
  const hash = createHash("sha256");
  const content = await readRegular(place, size, (chunk) => hash.update(chunk));
  if (content.type === "NoFile") return { type: "Missing", place };
  if (content.type === "Misfit") return { type: "Damaged", place, reason: content.reason };
  return checked(place, digest, hash.digest("hex"), content.bytes);
}

/** The header of a compressed object, or why there is none. */
export async function readHeader(root: string, digest: Digest): Promise<FoundHeader> {
  const place = `${root}/${compressedName(digest)}`;
  const start = await readStart(place, COMPRESSED_HEADER_BYTES);
  if (start.type === "NoFile") return { type: "Missing", place };
  if (start.type === "Misfit") return { type: "Damaged", place, reason: start.reason };
  const header = decodeCompressedHeader(start.bytes);
  if (E.isLeft(header)) {
    const error = header.left;
    return error.type === "Damaged"
      ? { ...error, place }
      : { type: "Newer", place, found: error.found, known: error.known };
  }
  return { type: "Header", place, header: header.right };
}

/** A compressed object's header as it was found. */
export type FoundHeader =
  | { readonly type: "Header"; readonly place: string; readonly header: CompressedHeader }
  | Exclude<FoundObject, { readonly type: "Object" }>;

async function readEither(
  root: string,
  digest: Digest,
  bytes: number,
  depth: number,
): Promise<FoundObject> {
  const plain = await readPlain(root, digest, { least: bytes, most: bytes });
  if (plain.type !== "Missing") return plain;
  const found = await readHeader(root, digest);
  if (found.type === "Missing") return plain;
  if (found.type !== "Header") return found;
  const { place, header } = found;
  const damaged = (reason: string): FoundObject => ({ type: "Damaged", place, reason });
  if (header.plainBytes !== bytes) {
    return damaged(`expected ${bytes} plain bytes, found ${header.plainBytes}`);
  }
  if (depth === MAX_BASES) return damaged(`expected at most ${MAX_BASES} bases, found more`);
  const base = header.base === undefined
    ? undefined
    : await readEither(root, header.base, bytes, depth + 1);
  if (base !== undefined && base.type !== "Object") return base;
  const content = await readRegular(place, ANY_SIZE);
  if (content.type === "NoFile") return { type: "Missing", place };
  if (content.type === "Misfit") return damaged(content.reason);
  const blocks = content.bytes.subarray(COMPRESSED_HEADER_BYTES);
  if (sha256(blocks) !== header.blocks) return damaged("the digest of its blocks is another");
  const own = decompress(blocks, bytes, base?.bytes);
  return E.isLeft(own) ? damaged(own.left) : checked(place, digest, sha256(own.right), own.right);
}

function checked(
  place: string,
  expected: Digest,
  actual: Digest,
  bytes: Uint8Array<ArrayBuffer>,
): FoundPlain {
  if (actual === expected) return { type: "Object", bytes };
  return { type: "Damaged", place, reason: `its digest is ${actual.slice(0, 12)}` };
}
