import { openDevice } from "../../src/adapters/device/tfjs_backend.ts";
import { orThrow } from "../../src/app/errors/or_throw.ts";
import type { Device } from "../../src/ports/device.ts";
import { judge, trainUntouched, type Untouched, type Verdict } from "./judge.ts";
import { type OperationName, operations, storeOf } from "./operations.ts";
import { faultCode } from "./fault_task.ts";
import type { Ending } from "./run_driver.ts";

/** Where faults are tried: stores to break, and what an unbroken one is like. */
export interface Workbench {
  readonly device: Device;
  /** A directory for anything, which goes with the workbench. */
  readonly directory: string;
  /** Puts a store at `root`, which must not exist, as an operation expects it. */
  readonly lay: (operation: OperationName, root: string) => Promise<void>;
  /** A new store, as an operation expects it. */
  readonly fresh: (operation: OperationName) => Promise<string>;
  /** Judges a store, one at a time, whoever asks. */
  readonly judge: (
    root: string,
    operation: OperationName,
    ending: Pick<Ending, "how" | "acknowledged" | "stderr">,
    mayFail: boolean,
  ) => Promise<Verdict>;
  readonly close: () => Promise<void>;
}

/** A workbench in a temporary directory. */
export async function openWorkbench(): Promise<Workbench> {
  const device = await orThrow(openDevice("cpu"));
  const directory = await Deno.realPath(await Deno.makeTempDir({ prefix: "foldlog-faults-" }));
  const untouched: Untouched = await trainUntouched(device, `${directory}/untouched`);
  const bases = new Map<OperationName, Promise<string>>();
  let count = 0;
  let last: Promise<unknown> = Promise.resolve();

  function baseOf(operation: OperationName): Promise<string> {
    const known = bases.get(operation) ?? inTurn(() => makeBase(operation));
    bases.set(operation, known);
    return known;
  }

  async function makeBase(operation: OperationName): Promise<string> {
    const root = `${directory}/before-${operation}`;
    await Deno.mkdir(root);
    const env = { store: storeOf(root, operations[operation]), device, code: faultCode };
    await operations[operation].prepare?.(env, root);
    return root;
  }

  /** tfjs has one device in a process, and one training at a time is easier to follow. */
  function inTurn<A>(work: () => Promise<A>): Promise<A> {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  }

  async function lay(operation: OperationName, root: string): Promise<void> {
    await command("cp", "-a", await baseOf(operation), root);
  }

  return {
    device,
    directory,
    lay,
    async fresh(operation) {
      const root = `${directory}/store-${++count}`;
      await lay(operation, root);
      return root;
    },
    judge: (...what) => inTurn(() => judge(device, untouched, ...what)),
    async close() {
      await unmountAllIn(directory); // what a failure left
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function unmountAllIn(directory: string): Promise<void> {
  const mounts = await readSystemFile("/proc/self/mounts");
  for (const line of mounts.split("\n")) {
    const place = line.split(" ")[1];
    if (place?.startsWith(`${directory}/`)) await command("umount", place);
  }
}

/** Reads a file of /proc or /sys, for which Deno itself wants every permission. */
export async function readSystemFile(path: string): Promise<string> {
  return await command("cat", path);
}

/** Runs a command that must succeed. */
export async function command(program: string, ...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`\`${program} ${args.join(" ")}\` failed: ${new TextDecoder().decode(stderr)}`);
}
