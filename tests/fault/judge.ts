import { isDeepStrictEqual as equal } from "node:util";
import * as E from "fp-ts/Either.js";
import { encodeEvent } from "../../src/codec/event_codec.ts";
import { collectGarbage } from "../../src/app/upkeep/collect_garbage.ts";
import { describeError } from "../../src/app/errors/describe_error.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import { foldOf } from "../../src/ports/fold_log.ts";
import { lostCode } from "../../src/app/reading/run_code.ts";
import { trainRun } from "../../src/app/training/train_run.ts";
import { verifyRun } from "../../src/app/upkeep/verify_run.ts";
import { isComputation, isTrainingFact, type RunEvent } from "../../src/core/event.ts";
import type { Device } from "../../src/ports/device.ts";
import type { LogContents } from "../../src/ports/event_log.ts";
import type { Store } from "../../src/ports/store.ts";
import { faultCode, faultTask, RUN } from "./fault_task.ts";
import { type OperationName, operations, storeOf } from "./operations.ts";
import type { Acknowledged, Ending } from "./run_driver.ts";

/** What a fault did to a store. */
export interface Verdict {
  /** Acknowledged events that the log no longer has, or has otherwise. */
  readonly lost: number;
  /** Reads that found what was never completely written, in words. */
  readonly torn: readonly string[];
  /** What was not as in a run that nobody disturbed, once this one was trained to its end, in words. */
  readonly unequal: readonly string[];
  /** What the process did that a fault is no excuse for, in words. */
  readonly misbehaved: readonly string[];
}

/** What a run that nobody disturbed leaves in its log, as canonical JSON. */
export interface Untouched {
  readonly events: readonly RunEvent[];
}

/** Whether nothing is wrong. */
export function isGood({ lost, torn, unequal, misbehaved }: Verdict): boolean {
  return lost + torn.length + unequal.length + misbehaved.length === 0;
}

/** Trains undisturbed in the directory `root`, which must not exist. */
export async function trainUntouched(device: Device, root: string): Promise<Untouched> {
  const store = storeOf(root, operations.train);
  await orThrow(trainRun({ store, device, code: faultCode }, RUN, faultTask));
  return { events: eventsOf(await orThrow(store.log.read(RUN))) };
}

/**
 * Judges what a process that had a fault left in the store `root`, and then has the operation done
 * again, without a fault, and the run trained to its end.
 *
 * `mayFail` says that the fault was an error that the process was told of: a snapshot may be missing.
 */
export async function judge(
  device: Device,
  untouched: Untouched,
  root: string,
  operation: OperationName,
  ending: Pick<Ending, "how" | "acknowledged" | "stderr">,
  mayFail: boolean,
): Promise<Verdict> {
  const store = storeOf(root, operations[operation]);
  const { lost, torn } = await look(store, ending.acknowledged);
  const unequal: string[] = [];
  try {
    unequal.push(...await finish(device, untouched, root, operation, mayFail));
  } catch (error) {
    unequal.push(error instanceof Error ? `${error.message}\n${error.stack}` : String(error));
  }
  return { lost, torn, unequal, misbehaved: misbehaviour(ending, mayFail) };
}

/** Reads all that the store has of the run. */
async function look(
  store: Store,
  acknowledged: readonly Acknowledged[],
): Promise<Pick<Verdict, "lost" | "torn">> {
  const read = await store.log.read(RUN)();
  if (E.isLeft(read)) return { lost: acknowledged.length, torn: [describeError(read.left)] };
  const { events } = read.right;
  const lost = acknowledged.filter(({ position, digest }) => events[position]?.digest !== digest);
  const torn: string[] = [];
  const recent = await store.log.recent(RUN)();
  const state = foldOf(read.right);
  if (E.isLeft(recent)) torn.push(describeError(recent.left));
  else if (!equal(foldOf(recent.right), state)) torn.push("recent() folds to another state");
  for (const { step, snapshot } of state.snapshots) {
    const got = await store.snapshots.get(snapshot)();
    if (E.isLeft(got)) torn.push(`snapshot of step ${step}: ${describeError(got.left)}`);
  }
  for (const error of (await orThrow(lostCode(store, state))).values()) {
    torn.push(`code: ${describeError(error)}`);
  }
  return { lost: lost.length, torn };
}

/** Waits until the process that was struck has ended for the kernel too, which then takes its lease back. */
async function leaseBack(store: Store): Promise<void> {
  for (let times = 0; times < 50; times++) {
    const opened = await store.log.open(RUN)();
    if (E.isRight(opened)) return void await opened.right.close()();
    if (opened.left.type !== "RunLocked") return; // what it is comes up again
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function finish(
  device: Device,
  { events: expected }: Untouched,
  root: string,
  operation: OperationName,
  mayFail: boolean,
): Promise<readonly string[]> {
  const store = storeOf(root, operations[operation]);
  await leaseBack(store);
  await orThrow(operations[operation].work({ store, device, code: faultCode }));
  const { status } = await orThrow(trainRun({ store, device, code: faultCode }, RUN, faultTask));
  const events = eventsOf(await orThrow(store.log.read(RUN)));
  const report = await orThrow(verifyRun(store, RUN));
  await orThrow(collectGarbage(store));
  const failed = failedSteps(events);
  const others = (event: RunEvent) =>
    isTrainingFact(event) && !(isSnapshot(event) && failed.has(event.data.step));
  return [
    ...(status === "completed" ? [] : [`it ended ${status}`]),
    ...report.problems.map(({ message }) => message),
    ...(equal(encoded(events, others), encoded(expected, others)) ? [] : ["its facts differ"]),
    ...(events.filter(isTrainingFact).every((fact) => expected.some((event) => equal(fact, event)))
      ? []
      : ["a snapshot differs"]),
    ...(equal(encoded(events, isComputation), encoded(expected, isComputation))
      ? []
      : ["it computed something else"]),
    ...(failed.size > 0 && !mayFail ? ["a snapshot failed without an error"] : []),
    ...(await leftovers(root)).map((path) => `${path} was left behind`),
  ];
}

/**
 * A process that is told of an error says so, or copes: it is not killed by it either. One that is told
 * of none, as by a write that is only short, has no reason to give up.
 */
function misbehaviour(
  { how, stderr }: Pick<Ending, "how" | "stderr">,
  mayFail: boolean,
): readonly string[] {
  const isBad = how === "crashed" || how === "hung" || how === (mayFail ? "killed" : "refused");
  return isBad ? [`the process was ${how}: ${stderr}`] : [];
}

/** What no object, segment or view is, once garbage was collected. */
async function leftovers(root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(root)) {
    const path = `${root}/${name}`;
    if (name.startsWith(".tmp-")) found.push(path);
    if (isDirectory) found.push(...await leftovers(path));
  }
  return found;
}

function failedSteps(events: readonly RunEvent[]): ReadonlySet<number> {
  const steps = new Set<number>();
  for (const event of events) if (event.type === "SnapshotFailed") steps.add(event.data.step);
  return steps;
}

function isSnapshot(event: RunEvent): event is Extract<RunEvent, { type: "SnapshotTaken" }> {
  return event.type === "SnapshotTaken";
}

function eventsOf({ events }: LogContents): readonly RunEvent[] {
  return events.map(({ event }) => event);
}

function encoded(
  events: readonly RunEvent[],
  which: (event: RunEvent) => boolean,
): readonly unknown[] {
  return events.filter(which).map(encodeEvent);
}
