import { basename, dirname } from "node:path";
import type { SystemCall } from "./system_calls.ts";
import type { Tree } from "./tree.ts";

/**
 * What is on a disk that keeps as little as POSIX allows: of a file what it was when it was last
 * synced, of a directory the names that it had when it was last synced. Real file systems keep more,
 * each something else.
 */
export interface ModelDisk {
  /** Does what a call does, when it is entered and when it returns. */
  readonly enter: (call: SystemCall) => void;
  readonly leave: (call: SystemCall) => void;
  /** What is there after a power loss now. */
  readonly surviving: (what: Survivors) => Tree;
  /** What a program sees now. */
  readonly visible: () => Tree;
}

/**
 * What survives: what was synced alone; or every name too, its file as long as it was, what was not
 * synced of it zero; or everything that was written to files whose names are synced.
 */
export const SURVIVORS = ["what was synced", "all names", "all bytes"] as const;

/** One of them. */
export type Survivors = (typeof SURVIVORS)[number];

interface FileNode {
  bytes: Uint8Array;
  synced: Uint8Array;
  syncing?: Uint8Array;
}

interface DirectoryNode {
  entries: Map<string, Node>;
  synced: ReadonlyMap<string, Node>;
  syncing?: ReadonlyMap<string, Node>;
}

type Node = FileNode | DirectoryNode;

/** A disk that has all of the directory `root`, synced. */
export function modelDisk(root: string): ModelDisk {
  const top: DirectoryNode = { entries: new Map(), synced: new Map() };
  const store = load(root, new Map());
  top.entries.set(basename(root), store);
  top.synced = new Map(top.entries);

  /** The node of a path; the directory that holds the store is the top. */
  function find(path: string): Node | undefined {
    if (path === dirname(root)) return top;
    const parent = find(dirname(path));
    return parent && "entries" in parent ? parent.entries.get(basename(path)) : undefined;
  }

  function directory(path: string): DirectoryNode {
    const node = find(path);
    if (node === undefined || !("entries" in node)) throw new Error(`No directory ${path}`);
    return node;
  }

  function file(path: string): FileNode {
    const node = find(path);
    if (node === undefined || "entries" in node) throw new Error(`No file ${path}`);
    return node;
  }

  function put(path: string, node: Node): void {
    directory(dirname(path)).entries.set(basename(path), node);
  }

  function remove(path: string): void {
    directory(dirname(path)).entries.delete(basename(path));
  }

  function enter({ name, paths: [path] }: SystemCall): void {
    if (!/^f(?:data)?sync$/.test(name)) return;
    const node = find(path!);
    if (node === undefined) throw new Error(`No file to sync: ${path}`);
    if ("entries" in node) node.syncing = new Map(node.entries);
    else node.syncing = node.bytes;
  }

  function leave({ name, paths, args, data, result = -1 }: SystemCall): void {
    if (result < 0) return;
    const [path, other] = paths as [string, string];
    switch (name) {
      case "open":
        if (args.includes("O_CREAT") && find(path) === undefined) {
          put(path, { bytes: new Uint8Array(), synced: new Uint8Array() });
        }
        if (args.includes("O_TRUNC")) file(path).bytes = new Uint8Array();
        return;
      case "write":
      case "pwrite": {
        const node = file(path);
        const at = name === "write" ? node.bytes.length : Number(/, (\d+)$/.exec(args)![1]);
        node.bytes = written(node.bytes, at, data!.subarray(0, result));
        return;
      }
      case "ftruncate": {
        const node = file(path);
        node.bytes = node.bytes.slice(0, Number(/, (\d+)$/.exec(args)![1]));
        return;
      }
      case "mkdir":
        return put(path, { entries: new Map(), synced: new Map() });
      case "rename": {
        const node = find(path)!;
        remove(path);
        return put(other, node);
      }
      case "link":
        return put(other, find(path)!);
      case "unlink":
      case "rmdir":
        return remove(path);
      case "fsync":
      case "fdatasync": {
        const node = find(path)!;
        if ("entries" in node) node.synced = node.syncing!;
        else node.synced = node.syncing!;
      }
    }
  }

  return {
    enter,
    leave,
    surviving: (what) => survivingOf(store, what, new Map()),
    visible: () => visibleOf(store, new Map()),
  };
}

function survivingOf(node: Node, what: Survivors, known: Map<Node, Tree>): Tree {
  const before = known.get(node);
  if (before !== undefined) return before;
  if ("entries" in node) {
    const names = what === "all names" ? node.entries : node.synced;
    return new Map([...names].map(([name, child]) => [name, survivingOf(child, what, known)]));
  }
  const tree = what === "all bytes"
    ? node.bytes
    : what === "all names"
    ? written(new Uint8Array(node.bytes.length), 0, node.synced.subarray(0, node.bytes.length))
    : node.synced.slice();
  known.set(node, tree);
  return tree;
}

function visibleOf(node: Node, known: Map<Node, Tree>): Tree {
  if (!("entries" in node)) return node.bytes;
  return new Map([...node.entries].map(([name, child]) => [name, visibleOf(child, known)]));
}

/** Copies: bytes that are being synced must not change. */
function written(bytes: Uint8Array, at: number, data: Uint8Array): Uint8Array {
  const next = new Uint8Array(Math.max(bytes.length, at + data.length));
  next.set(bytes);
  next.set(data, at);
  return next;
}

function load(path: string, known: Map<number, Node>): Node {
  const { isDirectory, ino } = Deno.statSync(path);
  const before = known.get(ino!);
  if (before !== undefined) return before;
  if (!isDirectory) {
    const bytes = Deno.readFileSync(path);
    const node = { bytes, synced: bytes };
    known.set(ino!, node);
    return node;
  }
  const entries = new Map(
    [...Deno.readDirSync(path)].map(({ name }) => [name, load(`${path}/${name}`, known)]),
  );
  return { entries, synced: new Map(entries) };
}
