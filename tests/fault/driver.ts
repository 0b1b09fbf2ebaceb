/**
 * A process that faults happen to: `driver.ts ROOT OPERATION`.
 *
 * Each event that the log has acknowledged is printed at once, and only then: what was printed must
 * never be lost. Ends with status 0 when the operation is done, with 2 and a sentence when it failed.
 *
 * @module
 */
import * as E from "fp-ts/Either.js";
import { openDevice } from "../../src/adapters/device/tfjs_backend.ts";
import { describeError } from "../../src/app/errors/describe_error.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import type { RecordedEvent } from "../../src/core/recorded_event.ts";
import type { Store } from "../../src/ports/store.ts";
import { faultCode } from "./fault_task.ts";
import { type OperationName, operations, storeOf } from "./operations.ts";

const [root, name] = Deno.args;
const operation = operations[name as OperationName];
const store = saying(storeOf(root!, operation));
const device = await orThrow(openDevice("cpu"));
const result = await operation.work({ store, device, code: faultCode })();
if (E.isLeft(result)) {
  console.error(describeError(result.left));
  Deno.exitCode = 2;
}

/** The store, which says each event that it acknowledged. */
function saying({ log, ...others }: Store): Store {
  return {
    ...others,
    log: {
      ...log,
      open: (run) => async () => {
        const opened = await log.open(run)();
        if (E.isLeft(opened)) return opened;
        const writer = opened.right;
        const append: typeof writer.append = (...args) => async () => {
          const appended = await writer.append(...args)();
          if (E.isRight(appended)) say(appended.right);
          return appended;
        };
        return E.right({ ...writer, append });
      },
    },
  };
}

/** One write to standard output, which is done before anything else happens. */
function say(events: readonly RecordedEvent[]): void {
  const text = events.map(({ position, digest }) => `durable ${position} ${digest}\n`).join("");
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
