import type { OperationName } from "./operations.ts";
import type { Group, Row, Site } from "./sites.ts";
import { type Injection, runTraced, type Traced } from "./traced.ts";
import type { Trial } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

/** Of the driver's random numbers, so that the temporary files of each trial have the same names. */
export const SEED = 1;

/** A fault that strace injects, into which calls, and what a person calls it. */
export interface Fault {
  readonly name: string;
  readonly column: Trial["column"];
  readonly injection: Injection;
  readonly strikes: (site: Site) => boolean;
}

const SYNCS = /^f(?:data)?sync$/;
const READS = /^(?:read|pread|getdents)$/;

/** Whether a call changes files, or makes changes durable. */
export function changes({ call: { name, args } }: Site): boolean {
  return !READS.test(name) && (name !== "open" || args.includes("O_CREAT"));
}

/** The faults that strace injects. */
export const FAULTS: readonly Fault[] = [
  { name: "killed", column: "kill", injection: { kind: "kill" }, strikes: changes },
  {
    name: "EIO",
    column: "EIO",
    injection: { kind: "error", error: "EIO" },
    strikes: ({ call }) => !SYNCS.test(call.name),
  },
  {
    name: "ENOSPC",
    column: "ENOSPC",
    injection: { kind: "error", error: "ENOSPC" },
    strikes: (site) => changes(site) && /^(?:open|p?write|mkdir|link|rename)$/.test(site.call.name),
  },
  {
    name: "EIO",
    column: "fsync failure",
    injection: { kind: "error", error: "EIO" },
    strikes: ({ call }) => SYNCS.test(call.name),
  },
];

/** Strikes an operation once, at the `nth` call of a thread that is of `group`. */
export async function strike(
  bench: Workbench,
  operation: OperationName,
  { injection, column, name }: Fault,
  group: Group,
  nth: number,
): Promise<Trial> {
  const root = await bench.fresh(operation);
  const target = { variant: group.variant, path: `${root}/${group.path}`, nth };
  const traced = await runTraced(root, operation, { seed: SEED }, { target, injection });
  const verdict = await bench.judge(root, operation, traced, injection.kind === "error");
  await Deno.remove(root, { recursive: true });
  const { row, where, struck } = rowStruck(group, traced);
  return {
    row,
    column,
    means: "strace",
    what: `${operation}: ${name} at ${where}`,
    verdict,
    struck,
  };
}

/** Which call was struck, of which row: strace counts by thread, and who does what is chance. */
export function rowStruck(
  { sites, variant, path }: Group,
  { calls, struck }: Traced,
): { readonly row: Row; readonly where: string; readonly struck: boolean } {
  const ordinal = struck === undefined ? 0 : calls.indexOf(struck) + 1;
  const site = sites.find((site) => site.ordinal === ordinal) ?? sites[0]!;
  return { row: site.row, where: `${variant} ${ordinal} of ${path}`, struck: ordinal > 0 };
}
