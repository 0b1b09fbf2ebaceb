import fc from "fast-check";
import { type Device, fileStore, memoryStore, type SnapshotId, type Store } from "foldlog";
import { backendTest } from "../support/backends.ts";
import { losingStore } from "../support/dying_store.ts";
import { propertySeed } from "../support/small_tasks.ts";
import { type Command, commands } from "./run_model/commands.ts";
import { oracleOf } from "./run_model/oracle.ts";
import { runSequence } from "./run_model/run_sequence.ts";

/** As many times as many sequences as by default: for a longer search. */
const FACTOR = Number(Deno.env.get("FOLDLOG_RUNS_FACTOR") ?? 1);

const CLAIM = "whatever is done to runs, they are what a model says that keeps everything";

backendTest("cpu", CLAIM, async (device) => {
  await expectModel(device, commands(10), 150, () => {
    const store = memoryStore();
    return { open: () => store, [Symbol.asyncDispose]: () => Promise.resolve() };
  });
});

backendTest("cpu", `${CLAIM}, in files that every command opens anew`, async (device) => {
  await expectModel(device, commands(6), 15, async () => {
    const directory = await Deno.makeTempDir();
    return {
      open: () => fileStore(`${directory}/runs`),
      [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
    };
  });
});

interface Place extends AsyncDisposable {
  readonly open: () => Store;
}

async function expectModel(
  device: Device,
  sequences: fc.Arbitrary<readonly Command[]>,
  numRuns: number,
  make: () => Place | Promise<Place>,
): Promise<void> {
  await using oracle = oracleOf(device);
  const property = fc.asyncProperty(sequences, async (sequence) => {
    await using place = await make();
    const lost = new Set<SnapshotId>();
    const open = () => losingStore(place.open(), lost);
    await runSequence({ device, oracle, lost, open }, sequence);
  });
  await fc.assert(property, { seed: propertySeed(), numRuns: numRuns * FACTOR });
}
