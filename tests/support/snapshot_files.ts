import type { Compression } from "../../src/adapters/file_objects/compression.ts";
import { fileSnapshotStore } from "../../src/adapters/file_objects/file_snapshot_store.ts";
import type { SnapshotStore } from "../../src/ports/snapshot_store.ts";
import type { Snapshot } from "../../src/core/snapshot.ts";
import { floats, snapshotOf } from "../../src/testing/sample_snapshots.ts";

/** A snapshot store in files, and what is on disk of it. */
export interface FileFixture extends AsyncDisposable {
  readonly parent: string;
  readonly root: string;
  readonly store: SnapshotStore;
  readonly reopen: () => SnapshotStore;
  /** The files in the directories of objects, sorted by name. */
  readonly objects: () => ReadonlyMap<string, ObjectFile>;
}

/** A file and where it is. */
export type ObjectFile = Deno.FileInfo & { readonly path: string };

/** An empty store in a directory of its own, which is removed in the end. */
export async function makeStore(compress: Compression = "none"): Promise<FileFixture> {
  const parent = await Deno.makeTempDir();
  const root = `${parent}/runs`;
  return {
    parent,
    root,
    store: fileSnapshotStore(root, { compress }),
    reopen: () => fileSnapshotStore(root, { compress }),
    objects: () => objectsIn(`${root}/objects`),
    [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
  };
}

/** A snapshot of step 3 with two small groups. */
export function smallSnapshot(): Snapshot {
  return snapshotOf(3, { model: { w: floats([1, -2]) }, optimizer: { m: floats([NaN]) } });
}

/** Names in a directory, sorted; none where there is no directory. */
export function namesIn(path: string): readonly string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    throw error;
  }
}

/** Changes a file's bytes in place, as a failing disk would: its links show them too. */
export async function overwrite(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.chmod(path, 0o644);
  await Deno.writeFile(path, bytes);
  await Deno.chmod(path, 0o444);
}

function objectsIn(path: string): ReadonlyMap<string, ObjectFile> {
  const found = namesIn(path).flatMap((directory) =>
    namesIn(`${path}/${directory}`).map((name) => `${path}/${directory}/${name}`)
  );
  return new Map(
    found.map((path) => [path.slice(path.lastIndexOf("/") + 1), { ...Deno.lstatSync(path), path }]),
  );
}
