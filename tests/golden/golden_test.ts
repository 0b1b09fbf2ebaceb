import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { decodeLine, encodeLine, seal } from "../../src/codec/envelope_codec.ts";
import { decodeManifest, encodeManifest } from "../../src/codec/manifest_codec.ts";
import { packSnapshot, unpackSnapshot } from "../../src/codec/snapshot_codec.ts";
import { historyFlaw } from "../../src/core/history_flaw.ts";
import { bytesOf } from "../../src/core/host_tensor.ts";
import { EVENT_FORMAT, type RecordedEvent } from "../../src/core/recorded_event.ts";
import { type Snapshot, SNAPSHOT_FORMAT } from "../../src/core/snapshot.ts";
import { goldenEvents, goldenSnapshot, goldenStamp } from "./golden_run.ts";

// The files are bytes of format 1 as the first foldlog wrote them. A test that fails here says that
// today's code can no longer read, or no longer writes, what is on people's disks: mend the code, or
// raise the format and keep reading this one. `tools/make_golden.ts` made them and never overwrites.

Deno.test("the golden log of format 1 reads as the events that were written", async () => {
  const recorded = readLog(await goldenLines());
  assert.equal(recorded.length, goldenEvents.length);
  recorded.forEach(({ event, position, format, recordedAt, session }) => {
    assert.deepEqual(event, goldenEvents[position]);
    assert.deepEqual({ recordedAt, session }, goldenStamp(position));
    assert.equal(format, 1);
  });
  assert.equal(historyFlaw(recorded.map(({ event }) => event)), undefined);
});

Deno.test("today's code writes the golden log's very bytes", async () => {
  assert.equal(EVENT_FORMAT, 1);
  let previous: RecordedEvent | undefined;
  const lines = goldenEvents.map((event, position) => {
    previous = seal(previous, event, goldenStamp(position));
    return `${encodeLine(previous)}\n`;
  });
  assert.deepEqual(new TextEncoder().encode(lines.join("")), await goldenBytes("log.jsonl"));
});

Deno.test("the golden log has every type of event, so that none goes untested", () => {
  const types = [
    ...["EpochCompleted", "EvaluationTaken", "RunCompleted", "RunFailed", "RunPaused"],
    ...["RunResumed", "RunStarted", "SnapshotTaken", "StepTaken"],
  ];
  assert.deepEqual([...new Set(goldenEvents.map(({ type }) => type))].sort(), types);
});

Deno.test("the golden snapshot of format 1 reads bit for bit as it was written", async () => {
  const manifest = right(decodeManifest(await goldenBytes("manifest")));
  assert.equal(manifest.format, 1);
  const groups = Object.keys(manifest.files);
  assert.deepEqual(groups, ["model", "optimizer"]);
  const files = new Map<string, Uint8Array>();
  for (const group of groups) files.set(group, await goldenBytes(`${group}.safetensors`));
  const snapshot = right(unpackSnapshot(manifest, files));
  assert.deepEqual(picture(snapshot), picture(goldenSnapshot));
});

Deno.test("today's code writes the golden snapshot's very bytes", async () => {
  assert.equal(SNAPSHOT_FORMAT, 1);
  const { id, manifest, manifestBytes, files } = packSnapshot(goldenSnapshot);
  assert.deepEqual(manifestBytes, await goldenBytes("manifest"));
  assert.deepEqual(encodeManifest(manifest), manifestBytes);
  assert.equal(id, "2777fdeed8da375e99633ba1955879ef288e3133d1eb351c3d8e9ec229467c79");
  for (const group of ["model", "optimizer"]) {
    assert.deepEqual(files.get(group), await goldenBytes(`${group}.safetensors`));
  }
});

async function goldenBytes(name: string): Promise<Uint8Array> {
  return await Deno.readFile(new URL(`format_1/${name}`, import.meta.url));
}

async function goldenLines(): Promise<readonly string[]> {
  const lines = new TextDecoder().decode(await goldenBytes("log.jsonl")).split("\n");
  assert.equal(lines.pop(), "", "the log ends with a line feed");
  return lines;
}

function readLog(lines: readonly string[]): readonly RecordedEvent[] {
  const recorded: RecordedEvent[] = [];
  for (const line of lines) recorded.push(right(decodeLine(line, recorded.at(-1))));
  return recorded;
}

/** The snapshot with its tensors as bytes, in sorted order: NaNs compare by their bits. */
function picture({ task, step, cursor, groups }: Snapshot): unknown {
  const tensors = Object.entries(groups).map(([group, tensors]) => [
    group,
    [...tensors].map(([path, tensor]) => [path, tensor.dtype, tensor.shape, [...bytesOf(tensor)]])
      .sort(),
  ]);
  return { task, step, cursor, tensors };
}

function right<A>(result: E.Either<unknown, A>): A {
  if (E.isLeft(result)) assert.fail(JSON.stringify(result.left));
  return result.right;
}
