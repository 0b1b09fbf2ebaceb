import { fileStore, isStep, orThrow, readRun, type RunEvent } from "foldlog";
import type { Bench } from "./foldlog_here.ts";

/** The events of a run, in order. */
export async function eventsIn({ runs }: Bench, run: string): Promise<readonly RunEvent[]> {
  const { events } = await orThrow(readRun(fileStore(runs), run));
  return events.map(({ event }) => event);
}

/** What the events of one type of a run say, in order. */
export async function factsOf<Type extends RunEvent["type"]>(
  bench: Bench,
  run: string,
  type: Type,
): Promise<readonly Extract<RunEvent, { readonly type: Type }>["data"][]> {
  const events = await eventsIn(bench, run);
  return events.filter((event) => event.type === type).map(({ data }) => data as never);
}

/** The steps in the log of a run, those of abandoned branches too. */
export async function stepsIn(bench: Bench, run: string): Promise<readonly number[]> {
  return (await eventsIn(bench, run)).filter(isStep).map(({ data }) => data.step);
}

/** What `export --format jsonl` has of a run: an object for each step. */
export async function historyOf(
  { does }: Bench,
  run: string,
): Promise<readonly Readonly<Record<string, number>>[]> {
  const lines = (await does(`export ${run} --format jsonl`)).trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

/** The name of the newest snapshot of a run: the digest of its state and of all that led to it. */
export async function newestSnapshot({ json }: Bench, run: string): Promise<string> {
  return (await json(`show ${run}`)).snapshots.at(-1).id;
}

/** The whole numbers from `first` to `last`. */
export function numbers(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
