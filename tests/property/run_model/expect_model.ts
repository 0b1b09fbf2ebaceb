import assert from "node:assert/strict";
import {
  historyFlaw,
  isStep,
  livePath,
  lossCurve,
  orThrow,
  project,
  readRun,
  type SnapshotId,
  type SnapshotRef,
  type Store,
  verifyRun,
} from "foldlog";
import { encodeLine } from "../../../src/codec/envelope_codec.ts";
import { headOf, type Kept, type ModelRun } from "./model.ts";

/** The lines of a run's log. */
export async function linesOf(store: Store, run: string): Promise<readonly string[]> {
  return (await orThrow(store.log.read(run))).events.map(encodeLine);
}

/**
 * Expects a run to be what the model says: its live path, its fold, its snapshots, its curve; its log goes
 * on from the lines `before`, and the library finds nothing wrong with it but the snapshots that are lost.
 */
export async function expectModel(
  store: Store,
  run: ModelRun,
  before: readonly string[],
  lost: ReadonlySet<SnapshotId>,
): Promise<void> {
  const { name } = run;
  const head = headOf(run);
  const { state, events } = await orThrow(readRun(store, name));
  assert.deepEqual(events.map(encodeLine).slice(0, before.length), before, "the log was edited");
  assert.equal(state.version, run.states.length);

  const taken = head.path.slice(1).map(({ step, cursor, taken }) => ({
    step,
    ...cursor,
    ...taken!,
  }));
  const live = livePath(events).map(({ event }) => event).filter(isStep);
  const steps = live.map(({ data: { fingerprint: _, ...data } }) => data);
  assert.deepEqual(steps, taken, `the live path of ${name}`);
  const points = taken.map(({ step, loss, learningRate, gradNorm }) => {
    return { step, loss, learningRate, gradNorm };
  });
  const plain = events.map(({ event }) => event);
  assert.deepEqual(project(lossCurve, plain), points, `the curve of ${name}`);

  const place = head.path.at(-1)!;
  const { step, cursor, status, config, lastLoss } = state;
  assert.deepEqual(
    { step, cursor, status, config, loss: lastLoss?.loss },
    {
      step: place.step,
      cursor: place.cursor,
      status: head.status,
      config: head.config,
      loss: taken.at(-1)?.loss,
    },
  );
  assert.deepEqual(state.snapshots.map(keptOf), head.kept.map(keptOf), `snapshots of ${name}`);
  assert.deepEqual(
    (state.abandoned ?? []).map(keptOf),
    head.left.map(keptOf),
    `snapshots that ${name} left`,
  );
  assert.equal(historyFlaw(plain), undefined);

  const refs = [...state.snapshots, ...state.abandoned ?? []];
  for (const { snapshot, ...ref } of refs.filter(({ snapshot }) => !lost.has(snapshot))) {
    const manifest = await orThrow(store.snapshots.manifest(snapshot));
    assert.deepEqual([manifest.step, manifest.state], [ref.step, ref.state]);
  }
  const { problems } = await orThrow(verifyRun(store, name));
  const missing = refs.filter(({ snapshot }) => lost.has(snapshot)).map(({ step }) => step);
  const unreadable = problems.filter(({ type }) => type === "SnapshotUnreadable");
  assert.deepEqual(unreadable.map(({ step }) => step), missing);
  // A process that is killed as it stores a snapshot leaves a view, of a step that the log has passed then.
  const highest = Math.max(step, ...plain.filter(isStep).map(({ data }) => data.step));
  const passed = problems.filter(({ type, step, message }) =>
    type === "ViewUnnamed" && step! <= highest && /the log has passed/.test(message)
  );
  const others = problems.filter((one) => !unreadable.includes(one) && !passed.includes(one));
  assert.deepEqual(others, [], name);
}

function keptOf({ step, state, reason, position }: SnapshotRef | Kept): Omit<Kept, "history"> {
  return { step, state, reason, position };
}
