import type { RunEvent } from "./event.ts";

/** An event and its position in the log. */
export interface PlacedEvent {
  readonly position: number;
  readonly event: RunEvent;
}

/**
 * The events that the state of a run follows from: those of abandoned branches are left out, and so are
 * the RunRewound that left them. Like the log of a run that never went back.
 *
 * `base`: how many events of the log came before these. A RunRewound to a place among them is kept, since
 * it tells what was there.
 */
export function livePath<A extends PlacedEvent>(events: Iterable<A>, base = 0): readonly A[] {
  const path: A[] = [];
  for (const placed of events) extendPath(path, placed, base);
  return path;
}

/** Makes of a live path, which it changes, that after one more event. */
export function extendPath<A extends PlacedEvent>(path: A[], placed: A, base = 0): void {
  const { event } = placed;
  if (event.type !== "RunRewound") {
    path.push(placed);
    return;
  }
  while (path.length > 0 && path.at(-1)!.position >= event.data.position) path.pop();
  if (event.data.position < base) path.push(placed);
}

/** A branch of a run that was abandoned when the run was rewound. */
export interface AbandonedBranch<A extends PlacedEvent> {
  /** The step that the run went back to. */
  readonly from: number;
  /** Where the branch ends: the position of the RunRewound that left it. */
  readonly end: number;
  /** The path that was live then: what it shares with others, and then its own. */
  readonly path: readonly A[];
  /** How many events of `path` it shares with the branch that the run went on with. */
  readonly shared: number;
}

/** The branches that a run has abandoned, in the order in which it did. */
export function abandonedBranches<A extends PlacedEvent>(
  events: readonly A[],
): readonly AbandonedBranch<A>[] {
  return events.flatMap(({ position: end, event }, index) => {
    if (event.type !== "RunRewound") return [];
    const path = livePath(events.slice(0, index));
    const shared = path.filter(({ position }) => position < event.data.position).length;
    return [{ from: event.data.step, end, path, shared }];
  });
}

/**
 * The position after the last event that belongs to a step of this path: what was computed and stored of
 * it, without the marks that follow. Undefined where the path does not have the step.
 */
export function positionAfterStep(
  path: readonly PlacedEvent[],
  step: number,
): number | undefined {
  const last = path.findLast(({ event }) => stepOf(event) === step);
  return last && last.position + 1;
}

/** The step whose state an event belongs to; none for marks. */
function stepOf(event: RunEvent): number | undefined {
  switch (event.type) {
    case "RunStarted":
      return event.data.origin?.step ?? 0;
    case "StepTaken":
    case "StepSkipped":
    case "EpochCompleted":
    case "EvaluationTaken":
    case "SamplesTaken":
    case "SnapshotTaken":
    case "SnapshotFailed":
      return event.data.step;
    default:
      return undefined;
  }
}
