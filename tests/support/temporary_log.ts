import { fileEventLog, type FileLogOptions } from "../../src/adapters/file_log/file_event_log.ts";
import { encodeLine } from "../../src/codec/envelope_codec.ts";
import { initialState } from "../../src/core/evolve.ts";
import type { RecordedEvent } from "../../src/core/recorded_event.ts";
import type { EventLog, LogContents } from "../../src/ports/event_log.ts";
import { setClock } from "../../src/testing/set_clock.ts";

/** A log in a directory of its own, which is removed in the end. */
export interface TemporaryLog extends AsyncDisposable {
  /** What is around the store. */
  readonly parent: string;
  readonly root: string;
  readonly log: EventLog;
  /** The run "a". */
  readonly run: string;
  /** Path of a segment of the run "a". */
  readonly segment: (position: number) => string;
  /** The names of the segments of the run "a", and their bytes. */
  readonly segments: () => Promise<ReadonlyMap<string, Uint8Array>>;
}

/** An empty log in files. */
export async function temporaryLog(options: FileLogOptions = {}): Promise<TemporaryLog> {
  const parent = await Deno.makeTempDir();
  const root = `${parent}/runs`;
  const directory = `${root}/a/log`;
  return {
    parent,
    root,
    log: fileEventLog(root, { clock: setClock(), ...options }),
    run: `${root}/a`,
    segment: (position) => `${directory}/${String(position).padStart(8, "0")}.jsonl`,
    segments: async () => {
      const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
      const read = async (name: string) =>
        [name, await Deno.readFile(`${directory}/${name}`)] as const;
      return new Map(await Promise.all(names.sort().map(read)));
    },
    [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
  };
}

/** The text of envelopes in a log. */
export function linesOf(recorded: readonly RecordedEvent[]): string {
  return recorded.map((one) => `${encodeLine(one)}\n`).join("");
}

/** All of a log that holds these envelopes, as the port tells it. */
export function wholeLog(events: readonly RecordedEvent[]): LogContents {
  return { base: initialState, events, ends: { first: events[0]!, last: events.at(-1)! } };
}

/** Lets the files of this process answer otherwise for a while, as a disk might. */
export function withFileMethod<Name extends "sync" | "syncData" | "syncDataSync" | "writeSync">(
  name: Name,
  method: (original: Deno.FsFile[Name]) => Deno.FsFile[Name],
): Disposable {
  const original = Deno.FsFile.prototype[name];
  Deno.FsFile.prototype[name] = method(original) as typeof original;
  return { [Symbol.dispose]: () => void (Deno.FsFile.prototype[name] = original) };
}
