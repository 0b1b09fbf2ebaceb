import { entriesIn } from "../files/directory_entries.ts";
import { LONGEST_LINE } from "./log_reader.ts";
import { LINE_BREAK, openSegment, segmentsIn } from "./log_segment.ts";
import { STATE_CACHE } from "./state_cache.ts";
import { isSystemError } from "../files/system_error.ts";

const CHUNK = 2 ** 16;

/**
 * Whether a directory is that of a run: its log has a line, or cannot be read, or the log is gone and
 * something is there that only a run leaves. Where nothing was ever acknowledged there is no run.
 */
export async function isRunDirectory(directory: string): Promise<boolean> {
  try {
    return await hasLine(`${directory}/log`) || await hasTraces(directory);
  } catch (error) {
    if (isSystemError(error)) return true; // whoever reads it is told
    throw error;
  }
}

/** Whether a run's directory has what is made only after its log has its first event. */
export async function hasTraces(directory: string): Promise<boolean> {
  const names = (await entriesIn(directory)).map(({ name }) => name);
  if (names.includes(STATE_CACHE)) return true;
  return names.includes("checkpoints") && (await entriesIn(`${directory}/checkpoints`)).length > 0;
}

async function hasLine(log: string): Promise<boolean> {
  const [first] = await segmentsIn(log);
  if (first === undefined) return false;
  using file = await openSegment(`${log}/${first}`);
  const chunk = new Uint8Array(CHUNK);
  for (let read = 0; read < LONGEST_LINE;) {
    const count = await file.read(chunk);
    if (count === null) return false;
    if (chunk.subarray(0, count).includes(LINE_BREAK)) return true;
    read += count;
  }
  return true; // it is no torn line, but damage
}
