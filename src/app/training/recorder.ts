import * as E from "fp-ts/Either.js";
import { canonicalJson } from "../../codec/canonical_json.ts";
import { encodeEvent } from "../../codec/event_codec.ts";
import { encodeNumbers } from "../../codec/float_codec.ts";
import { historyDigest } from "../../codec/history_digest.ts";
import type { RunCommand } from "../../core/command.ts";
import { decide } from "../../core/decide.ts";
import type { Digest } from "../../core/digest.ts";
import { isStep, isTrainingFact, type RunEvent } from "../../core/event.ts";
import { evolve } from "../../core/evolve.ts";
import type { RunState } from "../../core/run_state.ts";
import { fail } from "../../ports/attempt.ts";
import type { Divergence } from "../errors/errors.ts";
import type { LogAppender } from "./log_appender.ts";
import type { RestoredState } from "./restore_state.ts";

/**
 * Where a training's events go: compared with the log as long as the log has them, appended after.
 *
 * So a resumed run recomputes what lies between its snapshot and the head of the log by the same
 * code that goes on from there, and every step is in the log once.
 */
export interface Recorder {
  /** The fold of the events up to here. */
  readonly state: () => RunState;
  /** Digest of what was computed up to here: what a snapshot taken now commits to. */
  readonly history: () => Digest;
  /** The recorded event that the next one is compared with; undefined at the head of the log. */
  readonly next: () => RunEvent | undefined;
  /** The step of the next recorded change of settings, where one is still to come. */
  readonly changesAt: () => number | undefined;
  /** Whether events can be appended: not in a replay, which writes nothing anywhere. */
  readonly writes: boolean;
  /** Whether all that was recorded is compared and nothing can be appended. */
  readonly ended: () => boolean;
  /** Events compared so far; all were equal. */
  readonly compared: () => number;
  /** How many of these had a fingerprint of the state. */
  readonly fingerprints: () => number;
  /** Once all that was recorded is compared: decides and appends what the recorder opens with. */
  readonly open: () => Promise<void>;
  /**
   * Decides a command and compares or appends its events; what the recorder opens with goes before the first
   * that is appended, but for changes of settings: an event that a process which died left to be recorded is
   * of the step before them. Fails with Diverged or what `append` fails with.
   */
  readonly record: (command: RunCommand) => Promise<void>;
  /** Waits until what was appended is durable. */
  readonly flush: () => Promise<void>;
}

/** What a recorder begins with. */
export interface RecorderStart {
  /** The fold of the events before `pending`. */
  readonly state: RunState;
  /** The history digest of the events before `pending`. */
  readonly history: Digest;
  /** Recorded events that are to be recomputed. */
  readonly pending: readonly RunEvent[];
  /** Where events are appended. Without it nothing is: events beyond the log are let go. */
  readonly log?: LogAppender;
  /** What to begin with at the head of the log, before anything else is appended. */
  readonly opening?: Opening;
}

/** How a run goes on. */
export interface Opening {
  /** The fold of the whole log: of more than `pending`, where the run goes back. */
  readonly head: RunState;
  /** Decided one after the other. */
  readonly commands: readonly RunCommand[];
}

/** A recorder over `pending` and then `log`. */
export function recorderFrom(start: RecorderStart): Recorder {
  const { pending, log } = start;
  let { state: current, history } = start;
  let position = 0;
  let compared = 0;
  let fingerprints = 0;
  let { opening } = start;
  let opened: readonly RunEvent[] = [];

  function fold(event: RunEvent): void {
    current = evolve(current, event);
    history = historyDigest(history, event);
  }

  /** Marks of an interruption are history, not training: they are folded in, not recomputed. */
  function skipMarks(): void {
    while (position < pending.length && !isRecomputed(pending[position]!)) {
      fold(pending[position++]!);
    }
  }

  function decided(command: RunCommand, state: RunState): readonly RunEvent[] {
    const events = decide(command, state);
    return E.isLeft(events) ? fail(events.left) : events.right;
  }

  async function add(events: readonly RunEvent[]): Promise<void> {
    if (log === undefined || events.length === 0) return;
    await log.append(events);
    events.forEach(fold);
  }

  /** Decides the opening where that is due, and appends the events of it that may come now. */
  async function openWith(isDue: (event: RunEvent) => boolean): Promise<void> {
    skipMarks();
    if (position < pending.length) return;
    if (opening !== undefined) {
      const { head, commands } = opening;
      opening = undefined;
      let after = current = head;
      for (const command of commands) {
        const events = decided(command, after);
        after = events.reduce(evolve, after);
        opened = [...opened, ...events];
      }
    }
    const due = opened.filter(isDue);
    opened = opened.slice(due.length);
    await add(due);
  }

  const open = () => openWith(() => true);

  async function record(command: RunCommand): Promise<void> {
    await openWith(isNoChange);
    const events = retaken(command, pending[position]) ?? decided(command, current);
    for (const [index, event] of events.entries()) {
      skipMarks();
      if (position === pending.length) {
        await openWith(isNoChange);
        return await add(events.slice(index));
      }
      compare(pending[position]!, event, current.step);
      fold(event);
      position++;
      compared++;
      if (isStep(event) && event.data.fingerprint) fingerprints++;
    }
  }

  function next(): RunEvent | undefined {
    skipMarks();
    return pending[position];
  }

  function changesAt(): number | undefined {
    const change = pending.slice(position).find(({ type }) => type === "ConfigChanged");
    return change?.type === "ConfigChanged" ? change.data.step : undefined;
  }

  return {
    state: () => current,
    history: () => history,
    next,
    changesAt,
    writes: log !== undefined,
    ended: () => log === undefined && next() === undefined,
    compared: () => compared,
    fingerprints: () => fingerprints,
    open,
    record,
    flush: async () => await log?.flush(),
  };
}

/** Changes of settings are the last that a resume records. */
function isNoChange({ type }: RunEvent): boolean {
  return type !== "ConfigChanged";
}

/** A recorder that goes on from a restored state. */
export function recorderAt(
  { runState: state, history, pending }: Pick<RestoredState, "runState" | "history" | "pending">,
  rest: Pick<RecorderStart, "log" | "opening"> = {},
): Recorder {
  return recorderFrom({ state, history, pending, ...rest });
}

/** Facts of the training, and every snapshot: what a paused run saved can be compared too. */
function isRecomputed(event: RunEvent): boolean {
  if (event.type === "ConfigChanged") return false;
  return isTrainingFact(event) || event.type === "SnapshotTaken";
}

/**
 * The snapshot of a command that the log has taken once more of its step: one that was pruned can be, where
 * the run went back to it, and the live path has both.
 */
function retaken(
  command: RunCommand,
  recorded: RunEvent | undefined,
): readonly RunEvent[] | undefined {
  if (command.type !== "RecordSnapshot" || recorded?.type !== "SnapshotTaken") return undefined;
  const { data } = command;
  return recorded.data.step === data.step ? [{ type: "SnapshotTaken", data }] : undefined;
}

function compare(expected: RunEvent, actual: RunEvent, step: number): void {
  if (canonicalJson(encodeEvent(expected)) === canonicalJson(encodeEvent(actual))) return;
  fail(divergence(expected, actual, step) satisfies Divergence);
}

/** What differs between a recorded event and a recomputed one. */
export function divergence(
  expected: RunEvent,
  actual: RunEvent,
  step: number,
  leaves: readonly string[] = [],
): Divergence {
  const before = expected.data as Readonly<Record<string, unknown>>;
  const after = actual.data as Readonly<Record<string, unknown>>;
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const members = expected.type === actual.type
    ? names.filter((name) => !isSameMember(before[name], after[name]))
    : ["type"];
  const at = "step" in expected.data ? expected.data.step : step;
  return { type: "Diverged", step: at, expected, actual, members, leaves };
}

function isSameMember(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object") return Object.is(a, b);
  return canonicalJson(encodeNumbers(a)) === canonicalJson(encodeNumbers(b));
}
