import fc from "fast-check";
import { type Device, fileStore, memoryStore, type SnapshotId, type Store } from "foldlog";
import { backendTest } from "../support/backends.ts";
import { losingStore } from "../support/dying_store.ts";
import { propertySeed } from "../support/small_tasks.ts";
import { type Command, commands } from "./run_model/commands.ts";
import { found } from "./run_model/found.ts";
import { type Oracle, oracleOf } from "./run_model/oracle.ts";
import { runSequence } from "./run_model/run_sequence.ts";

/** As many times as many sequences as by default: for a longer search. */
const FACTOR = Number(Deno.env.get("FOLDLOG_RUNS_FACTOR") ?? 1);

const CLAIM = "whatever is done to runs, they are what a model says that keeps everything";

backendTest("cpu", CLAIM, (device) => expectModel(device, commands(10), 150, inMemory));

backendTest("cpu", `${CLAIM}, in files that every command opens anew`, (device) => {
  return expectModel(device, commands(6), 15, inFiles);
});

for (const [what, sequence] of Object.entries(found)) {
  backendTest("cpu", `runs are what a model says: ${what}`, async (device) => {
    await using oracle = oracleOf(device);
    for (const make of [inMemory, inFiles]) await runIn(make, device, oracle, sequence);
  });
}

/** Where the runs of a sequence are kept. */
interface Place extends AsyncDisposable {
  readonly open: () => Store;
}

function inMemory(): Promise<Place> {
  const store = memoryStore();
  return Promise.resolve({
    open: () => store,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

async function inFiles(): Promise<Place> {
  const directory = await Deno.makeTempDir();
  return {
    open: () => fileStore(`${directory}/runs`),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

async function expectModel(
  device: Device,
  sequences: fc.Arbitrary<readonly Command[]>,
  numRuns: number,
  make: () => Promise<Place>,
): Promise<void> {
  await using oracle = oracleOf(device);
  const property = fc.asyncProperty(
    sequences,
    (sequence) => runIn(make, device, oracle, sequence),
  );
  await fc.assert(property, { seed: propertySeed(), numRuns: numRuns * FACTOR });
}

async function runIn(
  make: () => Promise<Place>,
  device: Device,
  oracle: Oracle,
  sequence: readonly Command[],
): Promise<void> {
  await using place = await make();
  const lost = new Set<SnapshotId>();
  const open = () => losingStore(place.open(), lost);
  await runSequence({ device, oracle, lost, open }, sequence);
}
