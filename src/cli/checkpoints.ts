import * as E from "fp-ts/Either.js";
import { checkpointName } from "../adapters/file_snapshot_store.ts";
import { fileStore } from "../adapters/file_store.ts";
import { readRun } from "../app/read_run.ts";
import { lossCurve, project } from "../core/projection.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runIdOf, runsDirectory } from "./context.ts";
import { loss, table } from "./table.ts";

/** Lists the snapshots that a run can be resumed from, oldest first. */
export async function run(args: ArgumentsOf<"checkpoints">): Promise<number> {
  const id = runIdOf(args.run);
  const root = runsDirectory(args.runs);
  const store = fileStore(root);
  const { state, events } = await orExit(readRun(store, id));
  const curve = project(lossCurve, events.map(({ event }) => event));
  const rows = [];
  for (const ref of args.latest ? state.snapshots.slice(-1) : state.snapshots) {
    const manifest = await store.snapshots.manifest(ref.snapshot)();
    const readable = E.isRight(await store.snapshots.get(ref.snapshot)());
    const name = checkpointName(ref.step);
    const bytes = E.isRight(manifest)
      ? Object.values(manifest.right.files).reduce((sum, file) => sum + file.bytes, 0)
      : null;
    rows.push({
      name,
      step: ref.step,
      epoch: ref.cursor.epoch,
      id: ref.snapshot,
      reason: ref.reason,
      loss: curve[ref.step - 1]?.loss ?? null,
      bytes,
      readable,
      path: `${root}/${id}/checkpoints/${name}`,
    });
  }
  if (args.json) printJson(rows);
  else if (rows.length === 0) console.log(`Run "${id}" has no checkpoint yet.`);
  else {
    console.log(table(
      ["NAME", "STEP", "EPOCH", "REASON", "LOSS", "BYTES", "ID"],
      rows.map((row) => [
        row.name,
        String(row.step),
        String(row.epoch),
        row.reason,
        loss(row.loss),
        row.readable ? String(row.bytes) : "unreadable",
        row.id.slice(0, 12),
      ]),
    ));
  }
  return 0;
}
