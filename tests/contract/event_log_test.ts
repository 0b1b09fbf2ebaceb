import { fileEventLog, type FileLogOptions } from "../../src/adapters/file_log/file_event_log.ts";
import { memoryEventLog } from "../../src/adapters/memory/memory_event_log.ts";
import { eventLogContract } from "../../src/testing/event_log_contract.ts";

eventLogContract("memoryEventLog()", (clock) =>
  Promise.resolve({
    log: memoryEventLog(clock),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

const everyMs = { type: "every-ms", milliseconds: 5 } as const;

fileContract("fileEventLog()", {});
fileContract("fileEventLog(), commits in groups", { durability: everyMs });
fileContract("fileEventLog(), rolls all the time", { segmentBytes: 1 });
fileContract("fileEventLog(), groups and rolls", { durability: everyMs, segmentBytes: 1000 });

function fileContract(name: string, options: FileLogOptions): void {
  eventLogContract(name, async (clock) => {
    const parent = await Deno.makeTempDir();
    const root = `${parent}/made/when/needed`;
    return {
      log: fileEventLog(root, { ...options, clock }),
      reopen: () => fileEventLog(root, { ...options, clock }),
      [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
    };
  });
}
