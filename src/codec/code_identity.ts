import { CODE_FORMAT, type CodeManifest } from "../core/code_manifest.ts";
import type { Digest } from "../core/digest.ts";
import { encodeCodeManifest } from "./code_manifest_codec.ts";
import { sha256 } from "./digest.ts";

/** The code of a training, as a run names it and a store keeps it. */
export interface CodeIdentity {
  /** Digest of the manifest's bytes: the name of this code. */
  readonly digest: Digest;
  readonly manifest: CodeManifest;
  /** What a store keeps of it: each file's bytes, and the manifest's as the last. */
  readonly objects: readonly Uint8Array[];
}

/**
 * Names code by its files, which are given by `isCodePath` paths, and by the specifiers of what it imports
 * from elsewhere, in any order. Borrows the files' bytes.
 */
export function codeIdentity(
  files: ReadonlyMap<string, Uint8Array>,
  imports: Iterable<string>,
): CodeIdentity {
  const digests = [...files].map(([path, bytes]) => [path, sha256(bytes)] as const);
  const manifest: CodeManifest = {
    format: CODE_FORMAT,
    files: Object.fromEntries(digests),
    imports: [...new Set(imports)].sort(),
  };
  const bytes = encodeCodeManifest(manifest);
  return { digest: sha256(bytes), manifest, objects: [...files.values(), bytes] };
}
