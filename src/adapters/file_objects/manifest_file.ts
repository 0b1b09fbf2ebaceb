import * as E from "fp-ts/Either.js";
import { sha256 } from "../../codec/digest.ts";
import { decodeManifest } from "../../codec/manifest_codec.ts";
import { type Digest, isDigest } from "../../core/digest.ts";
import type { SnapshotId, SnapshotManifest } from "../../core/snapshot.ts";
import { fail } from "../../ports/attempt.ts";
import { entriesIn } from "../files/directory_entries.ts";
import { objectName, readPlain } from "./object_file.ts";
import { readRegular, readStart, type SizeRange } from "../files/regular_file.ts";

const OPENING_BRACE = 0x7b;

/** A manifest has half a million tensors at most, and is read as a whole. */
export const MANIFEST_SIZE: SizeRange = { least: 0, most: 64 * 2 ** 20 };

/** Reads a manifest and checks it against its digest; fails with a SnapshotError. */
export async function readManifest(root: string, id: SnapshotId): Promise<SnapshotManifest> {
  return await manifestIfThere(root, id) ??
    fail({ type: "SnapshotMissing", id, place: `${root}/${objectName(id)}` });
}

/** The manifest, or undefined where there is none; fails where there is one that cannot be read. */
export async function manifestIfThere(
  root: string,
  id: SnapshotId,
): Promise<SnapshotManifest | undefined> {
  const found = await readPlain(root, id, MANIFEST_SIZE);
  if (found.type === "Missing") return undefined;
  if (found.type === "Damaged") return fail({ ...found, type: "SnapshotDamaged", id });
  const manifest = decodeManifest(found.bytes);
  if (E.isRight(manifest)) return manifest.right;
  const error = manifest.left;
  const place = `${root}/${objectName(id)}`;
  if (error.type === "NewerFormat") {
    return fail({ type: "NewerSnapshot", id, place, found: error.found, known: error.known });
  }
  return fail({ type: "SnapshotDamaged", id, place, reason: error.reason });
}

/** The ids of the manifests that are there and whole, sorted. */
export async function manifestsIn(root: string): Promise<readonly SnapshotId[]> {
  const ids: SnapshotId[] = [];
  for (const { name, isDirectory } of await entriesIn(`${root}/objects`)) {
    if (!isDirectory) continue;
    for (const { name: digest } of await entriesIn(`${root}/objects/${name}`)) {
      if (isDigest(digest) && digest.startsWith(name) && await isManifest(root, digest)) {
        ids.push(digest);
      }
    }
  }
  return ids.sort();
}

async function isManifest(root: string, digest: Digest): Promise<boolean> {
  const path = `${root}/${objectName(digest)}`;
  if (!await looksLikeManifest(path)) return false;
  const content = await readRegular(path, MANIFEST_SIZE);
  return content.type === "Content" && sha256(content.bytes) === digest &&
    E.isRight(decodeManifest(content.bytes));
}

/** Whether a file begins with `{`: a safetensors file begins with a multiple of 8. */
export async function looksLikeManifest(path: string): Promise<boolean> {
  const start = await readStart(path, 1);
  return start.type === "Content" && start.bytes[0] === OPENING_BRACE;
}
