import { fileEventLog } from "../../src/adapters/file_event_log.ts";
import { memoryEventLog } from "../../src/adapters/memory_event_log.ts";
import { eventLogContract } from "./event_log_contract.ts";

eventLogContract("memoryEventLog()", (clock) =>
  Promise.resolve({
    log: memoryEventLog(clock),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

eventLogContract("fileEventLog()", async (clock) => {
  const parent = await Deno.makeTempDir();
  const root = `${parent}/made/when/needed`;
  return {
    log: fileEventLog(root, clock),
    reopen: () => fileEventLog(root, clock),
    [Symbol.asyncDispose]: () => Deno.remove(parent, { recursive: true }),
  };
});
