import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { canonicalJson, parseJson } from "../../src/codec/canonical_json.ts";
import {
  decodeLine,
  encodeLine,
  MAX_LINE,
  seal,
  sealLine,
} from "../../src/codec/envelope_codec.ts";
import { decodeEvent, encodeEvent, eventText } from "../../src/codec/event_codec.ts";
import { mergeConfig, type PartialConfig } from "../../src/core/config.ts";
import type { RunEvent } from "../../src/core/event.ts";
import type { Json } from "../../src/core/json.ts";
import { EVENT_FORMAT, type RecordedEvent } from "../../src/core/recorded_event.ts";
import { goldenEvents, goldenStamp } from "../golden/golden_run.ts";
import { chain, event, eventsByType, float, stamp } from "../support/arbitrary_events.ts";

Deno.test("decodeEvent() gives back every bit that encodeEvent() was given, through JSON text", () => {
  for (const event of eventsByType) {
    fc.assert(fc.property(event, (event) => {
      assert.deepEqual(throughText(encodeEvent(event)), E.right(event));
    }));
  }
});

Deno.test("eventText() is the canonical JSON of what encodeEvent() gives", () => {
  for (const event of eventsByType) {
    fc.assert(fc.property(event, (event) => {
      assert.equal(eventText(event), canonicalize(encodeEvent(event)));
    }));
  }
});

Deno.test("sealLine() writes the line that docs/format.md describes", () => {
  fc.assert(fc.property(chain, event, stamp, (chain, event, stamp) => {
    const previous = chain.at(-1)!;
    const { recorded, line } = sealLine(previous, event, stamp);
    const body = {
      format: EVENT_FORMAT,
      position: chain.length,
      ...stamp,
      previousDigest: previous.digest,
      event: encodeEvent(event),
    };
    const digest = createHash("sha256").update(canonicalize(body)!).digest("hex");
    assert.equal(line, canonicalize({ ...body, digest }));
    assert.equal(encodeLine(recorded), line);
    assert.deepEqual(recorded, { ...body, event, digest });
  }));
});

Deno.test("sealLine() writes no line that decodeLine() would find too long", () => {
  const failed = (length: number): RunEvent => ({
    type: "RunFailed",
    data: { step: 0, message: "x".repeat(length) },
  });
  const short = sealLine(undefined, failed(0), goldenStamp(0)).line.length;
  const { line, recorded } = sealLine(undefined, failed(MAX_LINE - short), goldenStamp(0));
  assert.equal(line.length, MAX_LINE);
  assert.deepEqual(decodeLine(line, undefined), E.right(recorded));
  assert.throws(() => sealLine(undefined, failed(MAX_LINE - short + 1), goldenStamp(0)), {
    name: "RangeError",
    message: /RunFailed: expected a line of at most 16777216 .* found 16777217/,
  });
});

Deno.test("decodeLine() reads long lines as it reads short ones", () => {
  const texts = ["x", '"', "\u{1f433}", "\n"].flatMap((part) =>
    [1, 2 ** 14, 2 ** 16, 2 ** 17].map((times) => part.repeat(times))
  );
  for (const message of texts) {
    const { line, recorded } = sealLine(
      undefined,
      { type: "RunFailed", data: { step: 0, message } },
      goldenStamp(0),
    );
    assert.deepEqual(decodeLine(line, undefined), E.right(recorded));
    const digest = `${recorded.digest.startsWith("0") ? 1 : 0}${recorded.digest.slice(1)}`;
    const wrong = decodeLine(encodeLine({ ...recorded, digest }), undefined);
    assert.ok(E.isLeft(wrong) && wrong.left.type === "Damaged");
    assert.match(wrong.left.reason, /^expected digest/);
  }
});

Deno.test("encodeEvent() gives equal text for equal numbers only: NaN, both zeros, infinities", () => {
  const textOf = (loss: number) =>
    canonicalJson(encodeEvent({ type: "EvaluationTaken", data: { step: 1, loss, samples: 1 } }));
  const special = [NaN, 0, -0, Infinity, -Infinity, 5e-324, -5e-324, 1];
  assert.equal(new Set(special.map(textOf)).size, special.length);
  fc.assert(fc.property(float, float, (a, b) => {
    assert.equal(textOf(a) === textOf(b), Object.is(a, b));
  }));
});

Deno.test("encodeEvent() writes what JSON has no number for by name, and other numbers as numbers", () => {
  const encoded = (loss: number) =>
    (encodeEvent({ type: "EvaluationTaken", data: { step: 1, loss, samples: 2 } }) as {
      data: unknown;
    }).data;
  for (const [loss, name] of [[NaN, "NaN"], [-Infinity, "-Infinity"], [Infinity, "Infinity"]]) {
    assert.deepEqual(encoded(loss as number), { step: 1, loss: name, samples: 2 });
  }
  assert.deepEqual(encoded(-0), { step: 1, loss: "-0", samples: 2 });
  assert.deepEqual(encoded(0), { step: 1, loss: 0, samples: 2 });
});

Deno.test("decodeEvent() leaves a text alone that spells a number: only number members are read so", () => {
  for (const name of ["NaN", "-0", "Infinity", "-Infinity", "1"]) {
    const failed: RunEvent = { type: "RunFailed", data: { step: 1, message: name } };
    assert.deepEqual(throughText(encodeEvent(failed)), E.right(failed));
    const [started] = goldenEvents as [Extract<RunEvent, { type: "RunStarted" }>];
    const { data } = started;
    const named: RunEvent = {
      ...started,
      data: { ...data, task: name, config: { ...data.config, model: { name } } },
    };
    assert.deepEqual(throughText(encodeEvent(named)), E.right(named));
  }
});

Deno.test("a setting that came after the first logs is written only where it says something", () => {
  const [started] = goldenEvents as [Extract<RunEvent, { type: "RunStarted" }>];
  const { config } = started.data;
  const changed = (changes: PartialConfig): RunEvent => {
    return { ...started, data: { ...started.data, config: mergeConfig(config, changes) } };
  };
  for (const name of ["nesterov", "value", "maxOverhead", "maxReplaySeconds", "best"]) {
    assert.ok(!eventText(started).includes(`"${name}"`));
  }
  const nesterov = changed({ optimizer: { nesterov: true } });
  assert.match(eventText(nesterov), /"name":"adamw","nesterov":true,"weightDecay"/);
  const value = changed({ clip: { value: 0.5 } });
  assert.match(eventText(value), /"clip":\{"norm":1,"value":0.5\}/);
  const minusZero = changed({ clip: { value: -0 } });
  assert.match(eventText(minusZero), /"clip":\{"norm":1,"value":"-0"\}/);
  const byTime = changed({ save: { maxReplaySeconds: 60 } });
  assert.match(eventText(byTime), /"save":\{"every":2,"maxReplaySeconds":60\}/);
  for (const event of [nesterov, value, minusZero, byTime, started]) {
    assert.deepEqual(throughText(encodeEvent(event)), E.right(event));
  }
});

Deno.test("decodeEvent() refuses a later setting that is written though it says nothing", () => {
  const [started] = goldenEvents as [RunEvent];
  for (const [path, neutral] of [["optimizer.nesterov", false], ["clip.value", 0]] as const) {
    const at = ["data", "config", ...path.split(".")];
    const name = at.at(-1);
    const written = edited(started, at, (parent, name) => parent[name] = neutral);
    refused(written, `expected "${name}" to be left out where it is ${neutral}, found it`);
    for (const wrong of [null, "x", [], {}]) {
      const message = refused(edited(started, at, (parent, name) => parent[name] = wrong));
      assert.match(message, new RegExp(`\\b${name}\\b`));
    }
  }
});

Deno.test("decodeEvent() refuses a type of event that it does not know, and names it", () => {
  for (const type of ["", "stepTaken", "StepTaken ", "toString", "constructor", "LossSpiked"]) {
    refused({ type, data: { step: 1 } }, `found "${type}"`);
  }
});

Deno.test("decodeEvent() refuses what is no event at all", () => {
  for (const value of [null, undefined, 1, "StepTaken", [], {}, { type: "StepTaken" }]) {
    assert.ok(E.isLeft(decodeEvent(value)), String(value));
  }
  for (const data of [null, 1, "x", [], undefined]) refused({ type: "StepTaken", data }, "data");
  refused({ type: 1, data: { step: 1 } }, "type");
});

Deno.test("decodeEvent() refuses an event without one of its members, and names it", () => {
  let removed = 0;
  for (const place of goldenPlaces()) {
    if (isOwnSetting(place) || isOptional(place)) continue;
    const { event, path } = place;
    const message = refused(edited(event, path, (parent, name) => delete parent[name]));
    assert.match(message, new RegExp(`\\b${namedFor(place)}\\b`), path.join("."));
    removed++;
  }
  assert.ok(removed > 100, `${removed}`);
});

Deno.test("decodeEvent() refuses a member that it does not know, and names it", () => {
  for (const event of goldenEvents) {
    const objects = [
      [],
      ...pathsIn(encodeEvent(event)).filter(([, value]) => isObject(value))
        .map(([path]) => path),
    ];
    for (const path of objects) {
      const isSettings = path.length === 3 && ["model", "data"].includes(path[2]!);
      const extra = edited(event, [...path, "surprise"], (parent, name) => parent[name] = null);
      const message = refused(extra);
      if (!isSettings) assert.match(message, /surprise|environment/, path.join("."));
    }
  }
});

Deno.test("decodeEvent() refuses a member of another type, and names it", () => {
  for (const place of goldenPlaces()) {
    const { event, path, value } = place;
    for (const wrong of wrongFor(place)) {
      const message = refused(edited(event, path, (parent, name) => parent[name] = wrong));
      const claim = `${path.join(".")}: ${JSON.stringify(value)} -> ${JSON.stringify(wrong)}`;
      assert.match(message, new RegExp(`\\b${namedFor(place)}\\b`), claim);
    }
  }
});

Deno.test("decodeEvent() keeps its messages short, however long the damage is", () => {
  const message = refused({ type: "RunFailed", data: { step: "9".repeat(100_000), message: "" } });
  assert.ok(message.length <= 300);
});

Deno.test("decodeLine() gives back the chain that seal() and encodeLine() wrote", () => {
  fc.assert(fc.property(chain, (chain) => {
    chain.forEach((recorded, position) => {
      const line = encodeLine(recorded);
      assert.ok(!line.includes("\n"), "one line");
      assert.deepEqual(decodeLine(line, chain[position - 1]), E.right(recorded));
      assert.equal(recorded.position, position);
    });
  }));
});

Deno.test("seal() keeps what it was given, counts positions and chains digests", () => {
  const [a, b] = goldenEvents.map((event, position) => [event, goldenStamp(position)] as const);
  const first = seal(undefined, ...a!);
  const second = seal(first, ...b!);
  assert.deepEqual(first, {
    format: EVENT_FORMAT,
    position: 0,
    ...a![1],
    previousDigest: "0".repeat(64),
    digest: first.digest,
    event: a![0],
  });
  assert.equal(second.previousDigest, first.digest);
  assert.equal(second.position, 1);
  assert.equal(second.event, b![0]);
  const stamped = [{ recordedAt: "2031-01-01T00:00:00.000Z" }, { session: 9 }].map((change) =>
    seal(undefined, a![0], { ...a![1], ...change }).digest
  );
  assert.equal(new Set([first.digest, ...stamped]).size, 3, "the digest covers the stamp");
});

Deno.test("decodeLine() refuses the golden log with any one character exchanged", () => {
  let previous: RecordedEvent | undefined;
  for (const [line, recorded] of goldenLog()) {
    const characters = [...line];
    characters.forEach((character, at) => {
      const other = character === "1" ? "2" : "1";
      const result = decodeLine(characters.with(at, other).join(""), previous);
      assert.ok(E.isLeft(result), `${other} at ${at} of ${line}`);
    });
    previous = recorded;
  }
});

Deno.test("decodeLine() refuses any line with one character inserted, removed or exchanged", () => {
  const character = fc.oneof(
    fc.constantFrom(...'0123456789aefE+.{}[],:"\\ \t\n\rn'),
    fc.integer({ min: 0, max: 0xd7ff }).filter((unit) => unit !== 0x2d).map((unit) =>
      String.fromCharCode(unit)
    ),
  );
  fc.assert(
    fc.property(chain, fc.nat(), fc.nat(), character, fc.nat({ max: 2 }), (...given) => {
      const [chain, which, where, letter, change] = given;
      const position = which % chain.length;
      const line = encodeLine(chain[position]!);
      const characters = [...line];
      const at = where % characters.length;
      characters.splice(at, change === 0 ? 0 : 1, ...(change === 1 ? [] : [letter]));
      const changed = characters.join("");
      if (changed === line) return;
      assert.ok(E.isLeft(decodeLine(changed, chain[position - 1])), changed);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("a log with a line dropped, doubled or moved is refused at the first line out of place", () => {
  const two = fc.tuple(chain.filter((chain) => chain.length > 1), fc.nat(), fc.nat());
  fc.assert(fc.property(two, ([chain, m, n]) => {
    const lines = chain.map(encodeLine);
    const a = m % lines.length;
    const b = n % lines.length;
    assert.equal(firstRefused(lines), undefined);
    if (a < lines.length - 1) assert.equal(firstRefused(lines.toSpliced(a, 1)), a, "dropped");
    assert.equal(firstRefused(lines.toSpliced(a, 0, lines[a]!)), a + 1, "doubled");
    if (a === b) return;
    const moved = lines.toSpliced(a, 1).toSpliced(b, 0, lines[a]!);
    assert.equal(firstRefused(moved), Math.min(a, b), "moved");
    const swapped = lines.with(a, lines[b]!).with(b, lines[a]!);
    assert.equal(firstRefused(swapped), Math.min(a, b), "exchanged");
  }));
});

Deno.test("a line of another log is refused, even of the same events at the same position", () => {
  fc.assert(fc.property(fc.array(event, { minLength: 2, maxLength: 4 }), fc.nat(), (events, n) => {
    const [mine, other] = [1, 2].map((session) => {
      const recorded: RecordedEvent[] = [];
      for (const event of events) {
        recorded.push(
          seal(recorded.at(-1), event, { recordedAt: "2026-01-01T00:00:00.000Z", session }),
        );
      }
      return recorded.map(encodeLine);
    });
    const at = 1 + n % (events.length - 1);
    assert.equal(firstRefused(mine!.with(at, other![at]!)), at);
  }));
});

Deno.test("decodeLine() says what it expected and what it found", () => {
  const log = goldenLog();
  const [first, second, third] = log.map(([line]) => line);
  const [, a] = log[0]!;
  const reason = (line: string, previous?: RecordedEvent) => {
    const result = decodeLine(line, previous);
    assert.ok(E.isLeft(result) && result.left.type === "Damaged");
    return result.left.reason;
  };
  assert.equal(reason(second!), "expected position 0, found 1");
  assert.equal(reason(third!, a), "expected position 1, found 2");
  assert.equal(
    reason(second!, { ...a, digest: "7".repeat(64) }),
    `expected to follow the envelope ${"7".repeat(12)}, found ${a.digest.slice(0, 12)}`,
  );
  const forged = encodeLine({ ...a, digest: "7".repeat(64) });
  assert.equal(reason(forged), `expected digest ${a.digest.slice(0, 12)}, found ${"7".repeat(12)}`);
  assert.match(reason(first!.slice(0, -1)), /^not JSON: /);
  assert.match(reason(first!.replace(`"format":${EVENT_FORMAT},`, "")), /format/);
});

Deno.test("decodeLine() refuses the same envelope in any other form than the canonical one", () => {
  const [[line], [next]] = goldenLog() as [[string, RecordedEvent], [string, RecordedEvent]];
  const { digest, ...rest } = JSON.parse(line);
  for (
    const other of [
      ` ${line}`,
      `${line} `,
      `${line}\n`,
      JSON.stringify({ ...rest, digest }),
      line.replace('"golden"', '"g\\u006flden"'),
      line.replace('"factor":0.1', '"factor":0.10'),
      line.replace('"learningRate":0.001', '"learningRate":1e-3'),
    ]
  ) {
    assert.notEqual(other, line);
    assert.deepEqual(JSON.parse(other), JSON.parse(line));
    assert.deepEqual(
      decodeLine(other, undefined),
      E.left({ type: "Damaged", reason: "expected canonical JSON, found another form" }),
    );
  }
  assert.ok(E.isLeft(decodeLine(`${line}${next}`, undefined)), "two envelopes in a line");
});

Deno.test("decodeLine() says NewerFormat before it looks at anything else", () => {
  const json = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true, maxKeys: 4 })
    .filter((value) => !JSON.stringify(value).includes("__proto__"));
  const newer = fc.oneof(
    fc.constant(EVENT_FORMAT + 1),
    fc.integer({ min: EVENT_FORMAT + 1, max: 2 ** 53 - 1 }),
  );
  fc.assert(fc.property(json, newer, chain, (json, found, chain) => {
    const expected = E.left({ type: "NewerFormat", found, known: EVENT_FORMAT });
    assert.deepEqual(decodeLine(JSON.stringify({ ...json, format: found }), undefined), expected);
    const last = { ...chain.at(-1)!, format: found };
    assert.deepEqual(decodeLine(encodeLine(last), undefined), expected);
  }));
});

Deno.test("decodeLine() never throws and takes no line that nobody sealed", () => {
  const near = chain.map((chain) => JSON.parse(encodeLine(chain[0]!)) as Record<string, unknown>);
  const line = fc.oneof(
    fc.string(),
    fc.json(),
    fc.tuple(near, fc.nat(), fc.jsonValue()).map(([near, which, value]) => {
      const names = Object.keys(near);
      return JSON.stringify({ ...near, [names[which % names.length]!]: value });
    }),
  );
  const [, previous] = goldenLog()[0]!;
  fc.assert(
    fc.property(line, fc.boolean(), (line, first) => {
      const result = decodeLine(line, first ? undefined : previous);
      if (E.isRight(result)) assert.equal(encodeLine(result.right), line);
    }),
    { numRuns: 500 },
  );
  for (
    const text of ["", "null", "true", "0", '""', "[]", "{}", "[".repeat(1e5), '{"a":'.repeat(1e5)]
  ) {
    assert.ok(E.isLeft(decodeLine(text, undefined)), text.slice(0, 20));
  }
});

/** The event that its canonical JSON text reads as. */
function throughText(json: Json): ReturnType<typeof decodeEvent> {
  const parsed = parseJson(canonicalJson(json));
  if (E.isLeft(parsed)) assert.fail(parsed.left.reason);
  return decodeEvent(parsed.right);
}

/** The message that refuses `value`, which holds `part`. */
function refused(value: unknown, part = ""): string {
  const result = decodeEvent(value);
  assert.ok(E.isLeft(result), `taken: ${JSON.stringify(value)}`);
  assert.ok(result.left.includes(part), `${result.left} does not say ${part}`);
  return result.left;
}

function goldenLog(): readonly (readonly [line: string, recorded: RecordedEvent])[] {
  const log: [string, RecordedEvent][] = [];
  for (const [position, event] of goldenEvents.entries()) {
    const recorded = seal(log.at(-1)?.[1], event, goldenStamp(position));
    log.push([encodeLine(recorded), recorded]);
  }
  return log;
}

/** The position of the first line that does not belong where it is. */
function firstRefused(lines: readonly string[]): number | undefined {
  let previous: RecordedEvent | undefined;
  for (const [position, line] of lines.entries()) {
    const result = decodeLine(line, previous);
    if (E.isLeft(result)) return position;
    previous = result.right;
  }
  return undefined;
}

/** A place in the encoded form of an event. */
interface Place {
  readonly event: RunEvent;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Every member of every golden event, except `type`, which has tests of its own. */
function goldenPlaces(): readonly Place[] {
  return goldenEvents.flatMap((event) =>
    pathsIn(encodeEvent(event))
      .filter(([[name]]) => name !== "type")
      .map(([path, value]) => ({ event, path, value }))
  );
}

function pathsIn(value: unknown): readonly (readonly [path: readonly string[], value: unknown])[] {
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    [[name], member] as const,
    ...pathsIn(member).map(([path, below]) => [[name, ...path], below] as const),
  ]);
}

/** The encoded event, changed at a place. */
function edited(
  event: RunEvent,
  path: readonly string[],
  change: (parent: Record<string, unknown>, name: string) => void,
): unknown {
  const copy = structuredClone(encodeEvent(event)) as unknown;
  const parent = path.slice(0, -1).reduce(
    (value, name) => (value as Record<string, unknown>)[name],
    copy,
  );
  change(parent as Record<string, unknown>, path.at(-1)!);
  return copy;
}

/** A recipe's own setting: it may be left out, and its name is the recipe's. */
function isOwnSetting({ path }: Place): boolean {
  const [, config, group, name] = path;
  return config === "config" && (group === "model" || group === "data") && name !== undefined &&
    name !== "shuffle";
}

function isOptional({ event, path }: Place): boolean {
  return event.type === "RunResumed" && path.length === 2 && path[1] === "environment";
}

/** The name that a message gives for damage at a place: the member's, or that of its flat group. */
function namedFor(place: Place): string {
  const { event, path } = place;
  if (isOwnSetting(place) || path.at(-1) === "shuffle") return path[2]!;
  if (event.type === "RunResumed" && path[1] === "environment") return "environment";
  return path.at(-1)!;
}

/** Values that a place cannot have. */
function wrongFor(place: Place): readonly unknown[] {
  const name = place.path.at(-1)!;
  const never = [null, [], [1], undefined];
  if (isOptional(place)) never.pop();
  if (isOwnSetting(place)) return [null, [], {}];
  if (isObject(place.value)) return [...never, 1, "x", true];
  if (name === "shuffle") return [...never, 1, "true"];
  if (FLOATS.includes(name)) return [...never, {}, true, "1", "nan", "", "+Infinity", "0"];
  if (typeof place.value === "number") {
    return [...never, {}, true, "1", "NaN", "-0", -1, 0.5, 2 ** 53, Infinity, NaN];
  }
  if (/^[0-9a-f]{64}$/.test(String(place.value))) {
    return [...never, {}, 1, "", "A".repeat(64), "0".repeat(63), "0".repeat(65), "sha256:0"];
  }
  const isLiteral = name === "reason" || (name === "name" && place.path.length === 4);
  return [...never, {}, 1, true, ...(isLiteral ? ["", "other", "SGD", "until "] : [])];
}

const FLOATS = [
  ...["loss", "gradNorm", "learningRate", "weightDecay", "momentum", "beta1", "beta2", "epsilon"],
  ...["factor", "norm"],
];

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
