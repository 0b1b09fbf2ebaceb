/** Files and directories; one file of two names is one object in two places. */
export type Tree = Uint8Array | ReadonlyMap<string, Tree>;

/** Writes a tree at `path`, which must not exist. */
export function plant(tree: Tree, path: string, known: Map<Tree, string> = new Map()): void {
  const before = known.get(tree);
  if (before !== undefined) return Deno.linkSync(before, path);
  if (tree instanceof Uint8Array) {
    Deno.writeFileSync(path, tree);
    known.set(tree, path);
    return;
  }
  Deno.mkdirSync(path);
  for (const [name, child] of tree) plant(child, `${path}/${name}`, known);
}

/** The tree that is at `path`. */
export function treeAt(path: string): Tree {
  if (!Deno.statSync(path).isDirectory) return Deno.readFileSync(path);
  const names = [...Deno.readDirSync(path)].map(({ name }) => name);
  return new Map(names.map((name) => [name, treeAt(`${path}/${name}`)]));
}

/** A text that is equal for equal trees, the order of their names aside. */
export function fingerprint(tree: Tree): string {
  if (tree instanceof Uint8Array) return tree.toHex();
  const names = [...tree.keys()].sort();
  return `{${names.map((name) => `${name}:${fingerprint(tree.get(name)!)}`).join(",")}}`;
}
