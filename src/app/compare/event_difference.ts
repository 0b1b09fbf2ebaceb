import { canonicalJson } from "../../codec/canonical_json.ts";
import { encodeNumbers } from "../../codec/float_codec.ts";
import { isTrainingFact, type RunEvent } from "../../core/event.ts";
import type { Json } from "../../core/json.ts";

/** The first event that two runs do not share. */
export interface EventDifference {
  readonly step: number;
  /** The type of the event, by either run; absent where that run has none there. */
  readonly a?: RunEvent["type"];
  readonly b?: RunEvent["type"];
  /** Members of the events' data that differ, by name. Empty where only one run has the event. */
  readonly members: readonly EntryDifference[];
}

/** Something that two runs have each in their own way; absent in the run that does not have it. */
export interface EntryDifference {
  readonly name: string;
  readonly a?: Json;
  readonly b?: Json;
}

/**
 * The first training fact in which two runs differ, by step and kind: of a step, the change of a setting
 * comes after the step itself. Takes the events of their live branches, in order.
 *
 * Compared is what both runs have: the steps of both, and evaluations, measures, samples, snapshots and
 * fingerprints where both took them, since none of these changes what is trained; only the change of a setting, since both
 * runs had begun, may be one run's alone (one at that very step is in how the other began). What runs say of their config, data and code is left out of how they started, and of a
 * snapshot its state alone is compared: its name and reason follow from the rest.
 */
export function eventDifference(
  a: readonly RunEvent[],
  b: readonly RunEvent[],
): EventDifference | undefined {
  const [factsOfA, factsOfB] = [factsInOrder(a), factsInOrder(b)];
  const first = Math.max(beginOf(a), beginOf(b));
  const last = Math.min(lastStep(a), lastStep(b));
  let [i, j] = [0, 0];
  while (true) {
    const [one, other] = [factsOfA[i], factsOfB[j]];
    const order = compareFacts(one, other);
    const { step, kind } = order <= 0 ? one ?? LAST : other ?? LAST;
    if (step > last) return undefined;
    if (order === 0) {
      const [eventOfA, eventOfB] = [one!.event, other!.event];
      const members = differingMembers(eventOfA, eventOfB);
      if (members.length > 0) return { step, a: eventOfA.type, b: eventOfB.type, members };
    } else if (kind === KINDS.ConfigChanged && step > first) {
      return { step, [order < 0 ? "a" : "b"]: "ConfigChanged", members: [] };
    }
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
}

/** The step at which a run begins: that of its parent, where it is a fork. */
function beginOf([started]: readonly RunEvent[]): number {
  return started?.type === "RunStarted" ? started.data.origin?.step ?? 0 : 0;
}

/** The members in which two events differ, with their values; the type counts as a member. */
function differingMembers(a: RunEvent, b: RunEvent): readonly EntryDifference[] {
  const [one, other] = [comparedOf(a), comparedOf(b)];
  return differingEntries(one, other).filter(({ name, a, b }) =>
    !["fingerprint", "measures"].includes(name) || (a !== undefined && b !== undefined)
  );
}

function comparedOf(event: RunEvent): Readonly<Record<string, unknown>> {
  switch (event.type) {
    case "RunStarted":
      return { task: event.data.task, state: event.data.state };
    case "SnapshotTaken":
      return { state: event.data.state };
    default:
      return { type: event.type, ...event.data };
  }
}

/** The members in which two records of plain data differ, in sorted order, as JSON. */
export function differingEntries(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): readonly EntryDifference[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return names.flatMap((name) => {
    if (Object.is(a[name], b[name])) return [];
    const [one, other] = [a, b].map((record) =>
      record[name] === undefined ? undefined : encodeNumbers(record[name])
    );
    if (one === undefined && other === undefined) return [];
    if (one !== undefined && other !== undefined && canonicalJson(one) === canonicalJson(other)) {
      return [];
    }
    return [{
      name,
      ...(one !== undefined && { a: one }),
      ...(other !== undefined && { b: other }),
    }];
  });
}

/** What happens at a step, in this order. */
const KINDS: Readonly<Record<string, number>> = {
  RunStarted: 0,
  StepTaken: 1,
  StepSkipped: 1,
  EpochCompleted: 2,
  EvaluationTaken: 3,
  SamplesTaken: 4,
  SnapshotTaken: 5,
  ConfigChanged: 6,
};

/** A training fact and where it stands: its step, and its kind among the facts of that step. */
interface Fact {
  readonly step: number;
  readonly kind: number;
  readonly event: RunEvent;
}

/** Where all events end. */
const LAST = { step: Infinity, kind: Infinity };

function factsInOrder(events: readonly RunEvent[]): readonly Fact[] {
  return events.flatMap((event): readonly Fact[] => {
    const kind = KINDS[event.type];
    return kind === undefined || !isTrainingFact(event)
      ? []
      : [{ step: stepOf(event), kind, event }];
  }).sort(compareFacts);
}

function compareFacts(a: Omit<Fact, "event"> = LAST, b: Omit<Fact, "event"> = LAST): number {
  if (a.step !== b.step) return a.step < b.step ? -1 : 1;
  return a.kind === b.kind ? 0 : a.kind < b.kind ? -1 : 1;
}

function lastStep(events: readonly RunEvent[]): number {
  return events.reduce((last, event) => Math.max(last, stepOf(event)), 0);
}

function stepOf(event: RunEvent): number {
  if (event.type === "RunStarted") return event.data.origin?.step ?? 0;
  return "step" in event.data ? event.data.step : 0;
}
