import { basename, dirname } from "node:path";
import { sha256 } from "../../src/codec/digest.ts";
import { faultCode } from "./fault_task.ts";
import type { OperationName } from "./operations.ts";
import type { SystemCall } from "./system_calls.ts";

/** What a system call belongs to: the rows of the matrix. */
export const ROWS = [
  "open",
  "append",
  "group commit",
  "roll",
  "source",
  "snapshot object",
  "manifest",
  "link",
  "event",
  "state cache",
  "pause",
  "prune",
  "gc",
] as const;

/** A row of the matrix. */
export type Row = (typeof ROWS)[number];

/** A system call of an operation, told from all its others. */
export interface Site {
  readonly row: Row;
  readonly call: SystemCall;
  /** Relative to the store. */
  readonly path: string;
  /** 1 for the first such call on this path, then one more for each. */
  readonly ordinal: number;
}

/** The objects of the run's code. */
const SOURCES = faultCode.objects.map((bytes) => sha256(bytes));

/** Operations whose calls are all of one row; of the others the row is that of the file. */
const WHOLE: Readonly<Partial<Record<OperationName, Row>>> = {
  pause: "pause",
  prune: "prune",
  collect: "gc",
};

/** Operations of which only one row is looked at, because another has the rest. */
const ONLY: Readonly<Partial<Record<OperationName, Row>>> = {
  roll: "roll",
  group: "group commit",
  reopen: "open",
};

/** The sites of an operation, from a trace of all its calls on the store `root`. */
export function sitesOf(
  calls: readonly SystemCall[],
  root: string,
  operation: OperationName,
): readonly Site[] {
  const rowOf = WHOLE[operation] === undefined ? classifier(calls, root, operation) : undefined;
  const only = ONLY[operation];
  const counts = new Map<string, number>();
  const sites: Site[] = [];
  for (const call of calls) {
    const path = subjectOf(call, root);
    if (path === undefined) continue;
    const key = `${call.variant} ${path}`;
    const ordinal = (counts.get(key) ?? 0) + 1;
    counts.set(key, ordinal);
    const row = rowOf?.(call) ?? WHOLE[operation]!;
    if (only === undefined || row === only) sites.push({ row, call, path, ordinal });
  }
  return sites;
}

/** The file that a call is about, relative to the store; undefined where it is none of the store's. */
export function subjectOf({ name, paths }: SystemCall, root: string): string | undefined {
  const path = name === "link" ? paths.at(-1)! : paths[0] ?? "";
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;
}

/** Gives the rows of a trace's calls, which must be asked for in their order. */
function classifier(
  calls: readonly SystemCall[],
  root: string,
  operation: OperationName,
): (call: SystemCall) => Row {
  const manifests = manifestsIn(calls);
  const renamed = new Map(
    calls.filter(({ name }) => name === "rename").map(({ paths: [from, to] }) => [from!, to!]),
  );
  const lastIn = new Map<string, Row>(); // the last change in a directory: what a sync of it is for
  let line: Row = "append";
  let written = false;

  function rowOfObject(name: string): Row {
    const isOf = (ids: Iterable<string>) =>
      [...ids].some((id) => id.startsWith(name.replace(/\.zst$/, "")));
    if (isOf(SOURCES)) return "source";
    return isOf(manifests) ? "manifest" : "snapshot object";
  }

  function rowOfLog({ name, args, data }: SystemCall): Row {
    if (operation === "group") return "group commit";
    if (name === "open" && args.includes("O_CREAT")) return "roll";
    if (data !== undefined) {
      line = new TextDecoder().decode(data).includes('"SnapshotTaken"') ? "event" : "append";
      written = true;
      return line;
    }
    return name === "fdatasync" || (name === "fsync" && written) ? line : "open";
  }

  function rowOfPath(call: SystemCall, path: string): Row {
    const [top, second, third] = path.split("/");
    if (top === "objects") {
      return second === undefined || second === "lock"
        ? "snapshot object"
        : rowOfObject(third ?? second);
    }
    if (second === "checkpoints") return "link";
    if (second === "state.json") return "state cache";
    if (second === "log" && third !== undefined) return rowOfLog(call);
    return written ? "append" : "open";
  }

  return (call) => {
    const path = subjectOf(call, root)!;
    const final = renamed.get(`${root}/${path}`)?.slice(root.length + 1) ?? path;
    const opensOrSyncs = call.name === "fsync" ||
      call.name === "open" && !call.args.includes("O_DIRECTORY");
    const inDirectory = opensOrSyncs ? lastIn.get(path) : undefined;
    const row = inDirectory ?? rowOfPath(call, final);
    if (/^(?:mkdir|rename|link|unlink)$/.test(call.name) || call.args.includes("O_CREAT")) {
      lastIn.set(dirname(final) === "." ? "" : dirname(final), row);
    }
    return row;
  };
}

/** The ids of the snapshots that lines of the log name. */
function manifestsIn(calls: readonly SystemCall[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { data, paths } of calls) {
    if (data === undefined || !/\.jsonl$/.test(basename(paths[0] ?? ""))) continue;
    for (const [, id] of new TextDecoder().decode(data).matchAll(/"snapshot":"(\w{64})"/g)) {
      ids.add(id!);
    }
  }
  return ids;
}

/** Calls that can be aimed at together: of one kind, on one path. */
export interface Group {
  readonly variant: string;
  readonly path: string;
  readonly sites: readonly Site[];
}

/** Sites by what can be aimed at. */
export function groupsOf(sites: readonly Site[]): readonly Group[] {
  const groups = Map.groupBy(sites, ({ call, path }) => `${call.variant} ${path}`);
  return [...groups.values()].map((sites) => {
    const { call, path } = sites[0]!;
    return { variant: call.variant, path, sites };
  });
}
