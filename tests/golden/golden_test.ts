import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { decodeLine, encodeLine, seal } from "../../src/codec/envelope_codec.ts";
import { decodeManifest, encodeManifest } from "../../src/codec/manifest_codec.ts";
import { packSnapshot, unpackSnapshot } from "../../src/codec/snapshot_codec.ts";
import { historyFlaw } from "../../src/core/history_flaw.ts";
import { bytesOf } from "../../src/core/host_tensor.ts";
import { EVENT_FORMAT, type RecordedEvent } from "../../src/core/recorded_event.ts";
import { type Snapshot, SNAPSHOT_FORMAT } from "../../src/core/snapshot.ts";
import { goldenEvents, goldenEventsOf, goldenSnapshotOf, goldenStamp } from "./golden_run.ts";

// The files are bytes of each format as the first foldlog that had it wrote them. A test that fails here
// says that today's code can no longer read, or no longer writes, what is on people's disks: mend the
// code, or raise the format and keep reading this one. `tools/make_golden.ts` makes them and never
// overwrites.

for (const format of [1, 2]) {
  const events = goldenEventsOf[format]!;

  Deno.test(`the golden log of format ${format} reads as the events that were written`, async () => {
    const recorded = readLog(await goldenLines(format));
    assert.equal(recorded.length, events.length);
    for (const { event, position, recordedAt, session, ...line } of recorded) {
      assert.deepEqual(event, events[position]);
      assert.deepEqual({ recordedAt, session }, goldenStamp(position, events));
      assert.equal(line.format, format);
    }
    assert.equal(historyFlaw(events), undefined);
  });

  Deno.test(`the golden snapshot of format ${format} reads bit for bit as it was written`, async () => {
    const manifest = right(decodeManifest(await goldenBytes(format, "manifest")));
    assert.equal(manifest.format, format);
    const groups = Object.keys(manifest.files);
    assert.deepEqual(groups, ["model", "optimizer"]);
    const files = new Map<string, Uint8Array>();
    for (const group of groups) files.set(group, await goldenBytes(format, `${group}.safetensors`));
    const snapshot = right(unpackSnapshot(manifest, files));
    assert.deepEqual(picture(snapshot), picture(goldenSnapshotOf[format]!));
  });

  Deno.test(`today's code writes the golden snapshot of format ${format}`, async () => {
    const { id, manifest, manifestBytes, files } = packSnapshot(goldenSnapshotOf[format]!);
    assert.deepEqual(manifestBytes, await goldenBytes(format, "manifest"));
    assert.deepEqual(encodeManifest(manifest), manifestBytes);
    assert.equal(id, GOLDEN_IDS[format]);
    for (const group of ["model", "optimizer"]) {
      assert.deepEqual(files.get(group), await goldenBytes(format, `${group}.safetensors`));
    }
  });
}

const GOLDEN_IDS: Readonly<Record<number, string>> = {
  1: "2777fdeed8da375e99633ba1955879ef288e3133d1eb351c3d8e9ec229467c79",
  2: "10b19ac2b9595eab5b312238822b76e20b473f681316fc1c12a20c9f4c625005",
};

Deno.test("today's code writes the very bytes of the golden log of today's format", async () => {
  const events = goldenEvents;
  let previous: RecordedEvent | undefined;
  const lines = events.map((event, position) => {
    previous = seal(previous, event, goldenStamp(position));
    return `${encodeLine(previous)}\n`;
  });
  const written = new TextEncoder().encode(lines.join(""));
  assert.deepEqual(written, await goldenBytes(EVENT_FORMAT, "log.jsonl"));
});

Deno.test("the golden log has every type of event, so that none goes untested", () => {
  const types = [
    ...["EpochCompleted", "EvaluationTaken", "RunCompleted", "RunFailed", "RunPaused"],
    ...["RunResumed", "RunStarted", "SnapshotFailed", "SnapshotPruned", "SnapshotTaken"],
    "StepTaken",
  ];
  assert.deepEqual([...new Set(goldenEvents.map(({ type }) => type))].sort(), types);
  assert.equal(SNAPSHOT_FORMAT, Math.max(...Object.keys(goldenSnapshotOf).map(Number)));
});

async function goldenBytes(format: number, name: string): Promise<Uint8Array> {
  return await Deno.readFile(new URL(`format_${format}/${name}`, import.meta.url));
}

async function goldenLines(format: number): Promise<readonly string[]> {
  const lines = new TextDecoder().decode(await goldenBytes(format, "log.jsonl")).split("\n");
  assert.equal(lines.pop(), "", "the log ends with a line feed");
  return lines;
}

function readLog(lines: readonly string[]): readonly RecordedEvent[] {
  const recorded: RecordedEvent[] = [];
  for (const line of lines) recorded.push(right(decodeLine(line, recorded.at(-1))));
  return recorded;
}

/** The snapshot with its tensors as bytes, in sorted order: NaNs compare by their bits. */
function picture({ groups, ...about }: Snapshot): unknown {
  const tensors = Object.entries(groups).map(([group, tensors]) => [
    group,
    [...tensors].map(([path, tensor]) => [path, tensor.dtype, tensor.shape, [...bytesOf(tensor)]])
      .sort(),
  ]);
  return { ...about, tensors };
}

function right<A>(result: E.Either<unknown, A>): A {
  if (E.isLeft(result)) assert.fail(JSON.stringify(result.left));
  return result.right;
}
