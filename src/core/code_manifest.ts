import type { Digest } from "./digest.ts";

/** The version of the code manifest that this foldlog writes. */
export const CODE_FORMAT = 1;

/** The code of a training: which files it consists of. Equal code has equal manifests, byte for byte. */
export interface CodeManifest {
  readonly format: number;
  /** Digest of each file's bytes, by its path relative to the directory that all of them are in. */
  readonly files: Readonly<Record<string, Digest>>;
  /** What is imported from elsewhere, as specifiers such as "npm:io-ts@2.2.22": sorted, each once. */
  readonly imports: readonly string[];
}

/** In what the code of two trainings differs: paths and specifiers, sorted. */
export interface CodeDifference {
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly importsAdded: readonly string[];
  readonly importsRemoved: readonly string[];
}

/**
 * Whether a text is a path that a code manifest may have: relative, with forward slashes, and of a file
 * below the directory that it is relative to, whatever the system.
 */
export function isCodePath(text: string): boolean {
  return text !== "__proto__" && !/[\\\0]|^[A-Za-z]:/.test(text) && text.isWellFormed() &&
    text.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/** What came, went and changed from `before` to `after`. */
export function codeDifference(before: CodeManifest, after: CodeManifest): CodeDifference {
  const [old, now] = [Object.keys(before.files).sort(), Object.keys(after.files).sort()];
  return {
    changed: old.filter((path) =>
      Object.hasOwn(after.files, path) && before.files[path] !== after.files[path]
    ),
    added: now.filter((path) => !Object.hasOwn(before.files, path)),
    removed: old.filter((path) => !Object.hasOwn(after.files, path)),
    importsAdded: after.imports.filter((one) => !before.imports.includes(one)),
    importsRemoved: before.imports.filter((one) => !after.imports.includes(one)),
  };
}
