import { fillDisk, type Room } from "./full_disk.ts";
import { judgeLosses, type Loss, lossesAfterKill } from "./model_loss.ts";
import { observe, type Range } from "./observe.ts";
import type { OperationName } from "./operations.ts";
import { losePower } from "./power_loss.ts";
import { limitFiles, shortenWrites } from "./short_write.ts";
import type { Group, Row, Site } from "./sites.ts";
import { changes, FAULTS, strike } from "./strike.ts";
import type { Trial } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

/** Faults of one kind that are tried one after the other. */
export interface Experiment {
  readonly column: Trial["column"];
  readonly means: Trial["means"];
  /** Of the calls that it is aimed at; none where it is not aimed. */
  readonly rows: readonly Row[];
  readonly run: () => Promise<readonly Trial[]>;
}

/** What is tried with an operation. */
export interface Experiments {
  readonly all: readonly Experiment[];
  /** How many of its calls change the store. */
  readonly calls: number;
}

/** What is tried, and how much of it. */
export interface MatrixOptions {
  /** Whether file systems can be mounted here: full ones, and disks that lose power. */
  readonly mounts: boolean;
  /** Numbers from 0 to 1, for what is chosen at random. */
  readonly random: () => number;
  /** How many calls of one kind are struck, one after the other, at most. */
  readonly depth: number;
  /** How many limits of a file's size are tried. */
  readonly limits: number;
  /**
   * How many experiments of one column are tried by one means, at most, chosen at random; where there is
   * room, each row has one.
   */
  readonly most: number;
}

/** The experiments with an operation. */
export async function experimentsWith(
  bench: Workbench,
  operation: OperationName,
  options: MatrixOptions,
): Promise<Experiments> {
  const { groups, losses, written } = await observe(bench, operation);
  const possible = [
    ...strikes(bench, operation, groups, options),
    ...(options.mounts ? realDisks(bench, operation, groups, options) : []),
    ...shortWrites(bench, operation, written, options),
    ...modelDisks(bench, operation, groups, losses, options),
  ];
  const kinds = Map.groupBy(possible, ({ column, means }) => `${column} by ${means}`);
  const all = [...kinds.values()].flatMap((kind) => sample(kind, options));
  const calls = groups.flatMap(({ sites }) => sites.filter(changes)).length;
  return { all, calls };
}

/** Does experiments, as many at a time as there are processors; none after one that threw. */
export async function runExperiments(
  experiments: readonly Experiment[],
  onTrial: (trial: Trial) => void,
): Promise<void> {
  const waiting = experiments.values();
  const thrown: unknown[] = [];
  const workers = Array.from({ length: navigator.hardwareConcurrency }, async () => {
    for (const { run } of waiting) {
      try {
        (await run()).forEach(onTrial);
      } catch (error) {
        thrown.push(error);
      }
      if (thrown.length > 0) return;
    }
  });
  await Promise.all(workers);
  if (thrown.length > 0) throw thrown[0];
}

/** So many of a list, in its order, chosen at random. */
export function chosen<A>(all: readonly A[], count: number, random: () => number): readonly A[] {
  return all.map((value, index) => ({ value, index, by: random() }))
    .toSorted((a, b) => a.by - b.by).slice(0, count)
    .sort((a, b) => a.index - b.index).map(({ value }) => value);
}

/** Some experiments of one kind, chosen at random, with one for each row among them if there is room. */
function sample(
  kind: readonly Experiment[],
  { most, random }: Pick<MatrixOptions, "most" | "random">,
): readonly Experiment[] {
  const rows = chosen([...new Set(kind.flatMap(({ rows }) => rows))], most, random);
  const picked = new Set(
    rows.flatMap((row) =>
      chosen(kind.filter((experiment) => experiment.rows.includes(row)), 1, random)
    ),
  );
  const others = kind.filter((experiment) => !picked.has(experiment));
  for (const other of chosen(others, most - picked.size, random)) picked.add(other);
  return kind.filter((experiment) => picked.has(experiment));
}

function strikes(
  bench: Workbench,
  operation: OperationName,
  groups: readonly Group[],
  { depth }: MatrixOptions,
): readonly Experiment[] {
  return FAULTS.flatMap((fault) =>
    groups.filter(({ sites }) => sites.some(fault.strikes)).map((group) => ({
      column: fault.column,
      means: "strace" as const,
      rows: rowsOf(group, fault.strikes),
      run: () => sweep(depth, group, (nth) => strike(bench, operation, fault, group, nth)),
    }))
  );
}

function realDisks(
  bench: Workbench,
  operation: OperationName,
  groups: readonly Group[],
  { depth }: MatrixOptions,
): readonly Experiment[] {
  const rooms = [(pages: number) => ({ pages }), (names: number) => ({ names })];
  return [
    ...groups.filter(({ sites }) => sites.some(changes)).map((group): Experiment => ({
      column: "power loss",
      means: "ext4",
      rows: rowsOf(group, changes),
      run: () => sweep(depth, group, (nth) => losePower(bench, operation, group, nth)),
    })),
    ...rooms.map((roomOf): Experiment => ({
      column: "ENOSPC",
      means: "full tmpfs",
      rows: [],
      run: () => fill(bench, operation, roomOf),
    })),
  ];
}

function shortWrites(
  bench: Workbench,
  operation: OperationName,
  written: readonly Range[],
  { random, limits }: MatrixOptions,
): readonly Experiment[] {
  if (written.length === 0) return [];
  const drawn = Array.from({ length: limits }, () => {
    const { from, to } = written[Math.floor(random() * written.length)]!;
    return from + 1 + Math.floor(random() * (to - from - 1));
  });
  return [
    ...drawn.map((bytes): Experiment => ({
      column: "short write",
      means: "file size limit",
      rows: [],
      run: async () => [await limitFiles(bench, operation, bytes)],
    })),
    ...[1, 7, 100, 1000].map((bytes): Experiment => ({
      column: "short write",
      means: "short FsFile.write",
      rows: [],
      run: () => shortenWrites(bench, operation, bytes),
    })),
  ];
}

function modelDisks(
  bench: Workbench,
  operation: OperationName,
  groups: readonly Group[],
  losses: readonly Loss[],
  options: MatrixOptions,
): readonly Experiment[] {
  const variants = new Set(groups.filter(canLeaveUnsynced).map(({ variant }) => variant));
  return [
    ...losses.map((loss): Experiment => ({
      column: "power loss",
      means: "model",
      rows: [],
      run: () => judgeLosses(bench, operation, [loss]),
    })),
    ...[...variants].map((variant): Experiment => ({
      column: "power loss",
      means: "killed, then model",
      rows: [],
      run: () => killThenLose(bench, operation, variant, options),
    })),
  ];
}

function rowsOf({ sites }: Group, strikes: (site: Site) => boolean): readonly Row[] {
  return sites.filter(strikes).map(({ row }) => row);
}

/** Strikes the first call of a group, the second, and so on, until the process ends untouched. */
async function sweep(
  depth: number,
  { sites }: Group,
  tryOne: (nth: number) => Promise<Trial>,
): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (let nth = 1; nth <= Math.min(depth, sites.length); nth++) {
    const trial = await tryOne(nth);
    trials.push(trial);
    if (!trial.struck) break;
  }
  return trials;
}

/** Kills an operation at the calls of a kind, has it done again, and loses the power. */
async function killThenLose(
  bench: Workbench,
  operation: OperationName,
  variant: string,
  { depth, random }: MatrixOptions,
): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (let nth = 1; nth <= depth; nth++) {
    const losses = await lossesAfterKill(bench, operation, variant, nth);
    if (losses === undefined) break;
    const few = [...losses.slice(0, 1), ...chosen(losses.slice(1), 1, random)];
    trials.push(...await judgeLosses(bench, operation, few));
  }
  return trials;
}

/** Fills a disk with more and more room, until there is enough. */
async function fill(
  bench: Workbench,
  operation: OperationName,
  roomOf: (room: number) => Room,
): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (let room = 1;; room++) {
    const trial = await fillDisk(bench, operation, roomOf(room));
    trials.push(trial);
    if (!trial.struck) return trials;
  }
}

/** Before a sync, something is there that is not durable. */
function canLeaveUnsynced({ sites }: Group): boolean {
  return sites.some(({ call }) => /^(?:f(?:data)?sync|mkdir|rename)$/.test(call.name));
}
