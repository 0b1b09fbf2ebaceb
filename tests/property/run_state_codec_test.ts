import assert from "node:assert/strict";
import canonicalize from "canonicalize";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { parseJson } from "../../src/codec/canonical_json.ts";
import { writtenConfig } from "../../src/codec/config_codec.ts";
import { encodeNumbers } from "../../src/codec/float_codec.ts";
import { decodeRunState, runStateText } from "../../src/codec/run_state_codec.ts";
import {
  decodeStateCache,
  encodeStateCache,
  type StateCache,
} from "../../src/codec/state_cache_codec.ts";
import { evolve, initialState } from "../../src/core/evolve.ts";
import type { RunState } from "../../src/core/run_state.ts";
import { everyEvent } from "../../src/testing/sample_events.ts";
import { digest, event } from "../support/arbitrary_events.ts";

const state: fc.Arbitrary<RunState> = fc.array(event, { maxLength: 12 })
  .map((events) => events.reduce(evolve, initialState));

/** A state with every member that there is. */
const full: RunState = everyEvent.slice(0, 9).reduce(evolve, initialState);

const cache: fc.Arbitrary<StateCache> = fc.record({
  segment: fc.constantFrom("00000000.jsonl", "123456789.jsonl"),
  start: fc.nat(),
  end: fc.nat(),
  last: digest,
  state,
}, { noNullPrototype: true });

Deno.test("decodeRunState() gives back every bit of a state, through its text", () => {
  fc.assert(fc.property(state, (state) => {
    const json = parseJson(runStateText(state));
    assert.deepEqual(decodeRunState((json as E.Right<unknown>).right), E.right(state));
  }));
});

Deno.test("runStateText() is canonical JSON, with numbers as in events", () => {
  fc.assert(fc.property(state, (state) => {
    const written = state.config === undefined
      ? state
      : { ...state, config: writtenConfig(state.config) };
    assert.equal(runStateText(state), canonicalize(encodeNumbers(written)));
  }));
});

Deno.test("a state that lacks nothing is what the refusals are tried on", () => {
  const members = "bestEvaluation bestTrainLoss config cursor data environment failedSnapshot " +
    "lastEvaluation lastLoss sampleFiles skippedSteps snapshots status step task trainEmaLoss version";
  assert.deepEqual(Object.keys(full).sort(), members.split(" "));
  assert.deepEqual(
    Object.keys(full.snapshots[0]!).sort(),
    "cursor evaluation loss position reason snapshot state step".split(" "),
  );
});

Deno.test("decodeRunState() refuses a member that it does not know, wherever it is", () => {
  const objects = pathsIn(JSON.parse(runStateText(full))).filter(([, value]) =>
    isObject(value) && !Array.isArray(value)
  );
  assert.ok(objects.length > 15);
  for (const [path] of objects) {
    if (path.at(-1) === "measures") continue; // a recipe's own
    if (path.length === 2 && ["model", "data"].includes(path[1]!)) continue; // a recipe's own
    const changed = JSON.parse(runStateText(full));
    at(changed, path)["surprise"] = 1;
    const result = decodeRunState(changed);
    assert.ok(E.isLeft(result), path.join("."));
    assert.match(result.left, /surprise/);
  }
});

Deno.test("decodeRunState() refuses a state without one of its members, or with another type", () => {
  const optional =
    /^(task|skippedSteps|config|config\.fingerprint|config\.ema|data|environment|lastLoss|(last|best)Evaluation(\.measures)?|sampleFiles|bestTrainLoss|trainEmaLoss|failedSnapshot|snapshots\.0\.(loss|evaluation))$/;
  for (const [path] of pathsIn(JSON.parse(runStateText(full)))) {
    const own = path[0] === "config" && ["model", "data"].includes(path[1]!) && path.length > 2;
    const [name] = path.slice(-1);
    const without = JSON.parse(runStateText(full));
    if (Array.isArray(at(without, path.slice(0, -1)))) continue;
    delete at(without, path.slice(0, -1))[name!];
    const result = decodeRunState(without);
    if (!own) assert.equal(E.isRight(result), optional.test(path.join(".")), path.join("."));
    const wrong = JSON.parse(runStateText(full));
    at(wrong, path.slice(0, -1))[name!] = null;
    assert.ok(E.isLeft(decodeRunState(wrong)), path.join("."));
  }
  for (const value of [null, undefined, 1, "x", [], {}]) assert.ok(E.isLeft(decodeRunState(value)));
});

Deno.test("decodeStateCache() gives back what encodeStateCache() was given", () => {
  fc.assert(fc.property(cache, (cache) => {
    assert.deepEqual(decodeStateCache(encodeStateCache(cache)), E.right(cache));
  }));
});

Deno.test("decodeStateCache() takes no text but the one that was written", () => {
  fc.assert(
    fc.property(
      cache,
      fc.nat(),
      fc.constantFrom(...'0123456789abcdef{}[],:" \n\\'),
      fc.nat(2),
      (...[cache, where, letter, change]) => {
        const text = encodeStateCache(cache);
        const at = where % text.length;
        const insert = change === 1 ? "" : letter;
        const changed = text.slice(0, at) + insert + text.slice(at + (change === 0 ? 0 : 1));
        if (changed === text) return;
        assert.ok(E.isLeft(decodeStateCache(changed)), changed);
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("decodeStateCache() never throws", () => {
  const near = cache.map((cache) => JSON.parse(encodeStateCache(cache)) as object);
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.tuple(near, fc.nat(), fc.jsonValue()).map(([near, which, value]) => {
      const names = Object.keys(near);
      return canonicalize({ ...near, [names[which % names.length]!]: value }) ?? "";
    }),
  );
  fc.assert(fc.property(text, (text) => {
    assert.ok(E.isLeft(decodeStateCache(text)), text);
  }));
  const lone = canonicalize({ ...JSON.parse(encodeStateCache({ ...cached, state: full })) })!
    .replace('"line"', '"\\ud800"');
  assert.ok(E.isLeft(decodeStateCache(lone)));
});

const cached = { segment: "00000000.jsonl", start: 0, end: 1, last: "0".repeat(64) };

function pathsIn(value: unknown): readonly (readonly [path: readonly string[], value: unknown])[] {
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    [[name], member] as const,
    ...pathsIn(member).map(([path, below]) => [[name, ...path], below] as const),
  ]);
}

function at(value: unknown, path: readonly string[]): Record<string, unknown> {
  return path.reduce((within, name) => (within as Record<string, unknown>)[name], value) as Record<
    string,
    unknown
  >;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
