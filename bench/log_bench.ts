import { DatabaseSync } from "node:sqlite";
import * as E from "fp-ts/Either.js";
import type { TaskEither } from "fp-ts/TaskEither.js";
import { fileEventLog } from "../src/adapters/file_log/file_event_log.ts";
import { defaultConfig } from "../src/core/config.ts";
import { type Durability, everyStep } from "../src/core/durability.ts";
import type { RunEvent } from "../src/core/event.ts";
import { evolve, initialState } from "../src/core/evolve.ts";
import type { LogError, LogWriter } from "../src/ports/event_log.ts";
import { median, type Row } from "./row.ts";

const ROUNDS = 5;
const DURABLE_APPENDS = 500;
const GROUPED_APPENDS = 100_000;
const UNDER_WAY = 10_000;
const TRANSACTION = 1000;
const SNAPSHOT_EVERY = 1000;
const OPENED = [1e3, 1e5, 1e6];

const DIGEST = "ab".repeat(32);

const everyMs: Durability = { type: "every-ms", milliseconds: 5 };

/** What the log costs: appending, opening runs of any length, reading and folding all of it. */
export async function logBench(): Promise<readonly Row[]> {
  const root = await Deno.makeTempDir();
  try {
    const lines = await linesOf(root, DURABLE_APPENDS);
    return [
      ...await everyStepRows(root, lines),
      ...await groupRows(root, lines),
      ...await lengthRows(root),
    ];
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** Each event durable before the next, against the least that this can cost, and against a database. */
async function everyStepRows(root: string, lines: readonly Uint8Array[]): Promise<readonly Row[]> {
  const contenders = {
    log: (name: string) => rateOfLog(root, name, everyStep, lines.length, 1),
    overlapping: (name: string) => rateOfLog(root, `${name}-2`, everyStep, lines.length, 2),
    bare: (name: string) => rateOfBareAppends(`${root}/${name}.bare`, lines),
    blocking: (name: string) => rateOfBlockingAppends(`${root}/${name}.blocking`, lines),
    sqlite: (name: string) => rateOfSqlite(`${root}/${name}.db`, lines, 1),
  };
  const rates = await inTurns(contenders);
  const awaited = rateRow("append, every step durable", rates.log);
  const overlapped = rateRow("the same, the next sealed meanwhile", rates.overlapping);
  const bare = "a bare append and fdatasync of the same bytes";
  return [
    awaited(bare, rates.bare),
    awaited("the same in a loop that lets nothing else run", rates.blocking),
    awaited("node:sqlite, WAL, synchronous FULL", rates.sqlite),
    overlapped(bare, rates.bare),
  ];
}

/** The median rate of each: in turns, since the disk is not as fast at all times; the first warms up. */
async function inTurns<Name extends string>(
  contenders: Readonly<Record<Name, (round: string) => number | Promise<number>>>,
): Promise<Readonly<Record<Name, number>>> {
  const rates = new Map<string, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (
      const [name, measure] of Object.entries<(round: string) => number | Promise<number>>(
        contenders,
      )
    ) {
      const rate = await measure(`round-${round}`);
      if (round > 0) rates.set(name, [...rates.get(name) ?? [], rate]);
    }
  }
  const medians = [...rates].map(([name, measured]) => [name, median(measured)]);
  return Object.fromEntries(medians) as Record<Name, number>;
}

/** Many appends under way at once, made durable together. */
async function groupRows(root: string, lines: readonly Uint8Array[]): Promise<readonly Row[]> {
  const many = Array.from({ length: GROUPED_APPENDS }, (_, at) => lines[at % lines.length]!);
  const rates = await inTurns({
    log: (name) => rateOfLog(root, `${name}-group`, everyMs, GROUPED_APPENDS, UNDER_WAY),
    sqlite: (name) => rateOfSqlite(`${root}/${name}-group.db`, many, TRANSACTION),
  });
  const row = rateRow("append, group commit", rates.log);
  return [row(`node:sqlite, WAL, FULL, ${TRANSACTION} in a transaction`, rates.sqlite)];
}

/** How the time to open a run depends on its length, and how fast all of it is read and folded. */
async function lengthRows(root: string): Promise<readonly Row[]> {
  const log = fileEventLog(root, { durability: everyMs });
  for (const length of OPENED) {
    const writer = await get(log.open(`length-${length}`));
    await appendAll(writer, 0, length, UNDER_WAY);
    await get(writer.close());
  }
  const times = OPENED.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) { // in turns, the first of them to warm up
    for (const [at, length] of OPENED.entries()) {
      const { milliseconds } = await timed(() => get(log.recent(`length-${length}`)));
      if (round > 0) times[at]!.push(milliseconds);
    }
  }
  const opens = times.map((measured, at): Row => ({
    subject: "log",
    case: `open a run of ${OPENED[at]} events`,
    backend: "",
    value: median(measured),
    unit: "ms",
    peer: `a run of ${OPENED[0]} events`,
    ratio: median(measured) / median(times[0]!),
    better: "lower",
  }));
  const middle = OPENED[1]!;
  const read = await timed(() => get(log.read(`length-${middle}`)));
  const events = read.result.events.map(({ event }) => event);
  const folding = await timed(() => Promise.resolve(events.reduce(evolve, initialState)));
  const readRate = 1000 * middle / read.milliseconds;
  const foldRate = 1000 * middle / folding.milliseconds;
  const bareRate = await rateOfParsing(`${root}/length-${middle}/log`);
  return [
    ...opens,
    rateRow("read and check all", readRate)("JSON.parse of the same lines", bareRate),
    rateRow("fold", foldRate)("reading and checking", readRate),
  ];
}

function rateRow(name: string, rate: number): (peer: string, peerRate: number) => Row {
  return (peer, peerRate) => ({
    subject: "log",
    case: name,
    backend: "",
    value: rate,
    unit: "events/s",
    peer,
    ratio: rate / peerRate,
    better: "higher",
  });
}

/** Events a second that are appended and durable, the opening of the run aside. */
async function rateOfLog(
  root: string,
  run: string,
  durability: Durability,
  count: number,
  underWay: number,
): Promise<number> {
  const writer = await get(fileEventLog(root, { durability }).open(run));
  await appendAll(writer, 0, 1, 1);
  const { milliseconds } = await timed(() => appendAll(writer, 1, count, underWay));
  await get(writer.close());
  return 1000 * (count - 1) / milliseconds;
}

/** Appends events, each by an append of its own, at most so many under way at a time. */
async function appendAll(
  writer: LogWriter,
  from: number,
  to: number,
  underWay: number,
): Promise<void> {
  const pending: Promise<void>[] = [];
  for (let version = from; version < to; version++) {
    pending.push(
      writer.append([eventAt(version)], version)().then((result) => void orThrow(result)),
    );
    if (pending.length < underWay) continue;
    await Promise.all(pending.splice(0, Math.ceil(underWay / 2)));
  }
  await get(writer.flush());
  await Promise.all(pending);
}

/** The least that a durable append can cost: no event is sealed, nothing is checked. */
async function rateOfBareAppends(path: string, lines: readonly Uint8Array[]): Promise<number> {
  using file = Deno.openSync(path, { create: true, append: true });
  const start = performance.now();
  for (const line of lines) {
    file.writeSync(line);
    await file.syncData();
  }
  return 1000 * lines.length / (performance.now() - start);
}

function rateOfBlockingAppends(path: string, lines: readonly Uint8Array[]): number {
  using file = Deno.openSync(path, { create: true, append: true });
  const start = performance.now();
  for (const line of lines) {
    file.writeSync(line);
    file.syncDataSync();
  }
  return 1000 * lines.length / (performance.now() - start);
}

function rateOfSqlite(path: string, lines: readonly Uint8Array[], transaction: number): number {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  database.exec("CREATE TABLE log (position INTEGER PRIMARY KEY, line BLOB NOT NULL)");
  const insert = database.prepare("INSERT INTO log VALUES (?, ?)");
  const start = performance.now();
  for (let position = 0; position < lines.length; position++) {
    if (position % transaction === 0) database.exec("BEGIN");
    insert.run(position, lines[position]!);
    if (position % transaction === transaction - 1) database.exec("COMMIT");
  }
  const milliseconds = performance.now() - start;
  database.close();
  return 1000 * lines.length / milliseconds;
}

/** Events a second where the lines are parsed and nothing is checked. */
async function rateOfParsing(directory: string): Promise<number> {
  const { milliseconds, result } = await timed(async () => {
    let count = 0;
    for await (const { name } of Deno.readDir(directory)) {
      const text = await Deno.readTextFile(`${directory}/${name}`);
      for (const line of text.split("\n").slice(0, -1)) count += JSON.parse(line) === null ? 0 : 1;
    }
    return count;
  });
  return 1000 * result / milliseconds;
}

/** The lines of a run of so many events, as the log writes them. */
async function linesOf(root: string, count: number): Promise<readonly Uint8Array[]> {
  const writer = await get(fileEventLog(root, { durability: everyMs }).open("lines"));
  await appendAll(writer, 0, count, count);
  await get(writer.close());
  const text = await Deno.readTextFile(`${root}/lines/log/00000000.jsonl`);
  return text.split("\n").slice(0, -1).map((line) => new TextEncoder().encode(`${line}\n`));
}

/** The event at a position of the benchmark's runs: steps, and now and then a snapshot. */
function eventAt(position: number): RunEvent {
  if (position === 0) {
    return {
      type: "RunStarted",
      data: {
        task: "bench",
        config: defaultConfig,
        data: { name: "none", samples: 4, digest: DIGEST },
        environment: { backend: "", adapter: "", tfjs: "", runtime: "", platform: "" },
        state: DIGEST,
      },
    };
  }
  const snapshots = Math.floor(position / SNAPSHOT_EVERY);
  const step = position - snapshots;
  if (position % SNAPSHOT_EVERY === 0) {
    const data = { step, snapshot: DIGEST, state: DIGEST, reason: "scheduled" } as const;
    return { type: "SnapshotTaken", data };
  }
  const loss = Math.fround(Math.sin(step));
  const gradNorm = Math.fround(Math.cos(step));
  const data = { step, epoch: 0, index: step, batch: DIGEST, loss, gradNorm };
  return { type: "StepTaken", data: { ...data, learningRate: 1e-3 / step } };
}

interface Timed<A> {
  readonly milliseconds: number;
  readonly result: A;
}

async function timed<A>(work: () => Promise<A>): Promise<Timed<A>> {
  const start = performance.now();
  const result = await work();
  return { milliseconds: performance.now() - start, result };
}

async function get<A>(task: TaskEither<LogError, A>): Promise<A> {
  return orThrow(await task());
}

function orThrow<A>(result: E.Either<LogError, A>): A {
  if (E.isRight(result)) return result.right;
  throw new Error(JSON.stringify(result.left));
}
