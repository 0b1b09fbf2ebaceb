/**
 * Writes the golden files of the current format, once: a file that exists is never overwritten, since
 * it stands for what is on people's disks. Run it after raising the format, with the folder's name:
 * `deno run --allow-read --allow-write=tests/golden tools/make_golden.ts format_2`.
 *
 * @module
 */

import { encodeLine, seal } from "../src/codec/envelope_codec.ts";
import { packSnapshot } from "../src/codec/snapshot_codec.ts";
import type { RecordedEvent } from "../src/core/recorded_event.ts";
import { goldenEvents, goldenSnapshot, goldenStamp } from "../tests/golden/golden_run.ts";

/** The golden files by name. */
function goldenFiles(): ReadonlyMap<string, Uint8Array> {
  let previous: RecordedEvent | undefined;
  const lines = goldenEvents.map((event, position) => {
    previous = seal(previous, event, goldenStamp(position));
    return `${encodeLine(previous)}\n`;
  });
  const { manifestBytes, files } = packSnapshot(goldenSnapshot);
  return new Map([
    ["log.jsonl", new TextEncoder().encode(lines.join(""))],
    ["manifest", manifestBytes],
    ...[...files].map(([group, bytes]) => [`${group}.safetensors`, bytes] as const),
  ]);
}

if (import.meta.main) {
  const [name, ...rest] = Deno.args;
  if (name === undefined || rest.length > 0 || !/^format_[0-9]+$/.test(name)) {
    console.error("Expected the name of a folder of tests/golden/, such as format_2");
    Deno.exit(2);
  }
  const folder = new URL(`../tests/golden/${name}/`, import.meta.url);
  await Deno.mkdir(folder); // refuses a folder that exists, and with it every overwriting
  for (const [file, bytes] of goldenFiles()) {
    await Deno.writeFile(new URL(file, folder), bytes, { createNew: true });
  }
}
