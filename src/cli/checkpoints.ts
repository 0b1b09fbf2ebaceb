import * as E from "fp-ts/Either.js";
import { checkpointName } from "../adapters/file_objects/checkpoint_view.ts";
import { fileStore } from "../adapters/file_store.ts";
import { diskUse } from "../app/upkeep/disk_use.ts";
import { filesName } from "../core/file_progress.ts";
import { readHead } from "../app/reading/read_run.ts";
import { snapshotBytes } from "../app/upkeep/snapshot_bytes.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runIdOf, runsDirectory } from "./context.ts";
import { diskText } from "./disk_text.ts";
import { loss, table } from "./table.ts";

/** Lists the snapshots that a run can be resumed from, oldest first. */
export async function run(args: ArgumentsOf<"checkpoints">): Promise<number> {
  const id = runIdOf(args.run);
  const root = runsDirectory(args.runs);
  const store = fileStore(root);
  const { state } = await orExit(readHead(store, id));
  const nameOf = filesName(state);
  const rows = [];
  for (const ref of args.latest ? state.snapshots.slice(-1) : state.snapshots) {
    const place = checkpointName(ref.step);
    const name = nameOf?.(ref) ?? place;
    rows.push({
      name,
      step: ref.step,
      epoch: ref.cursor.epoch,
      id: ref.snapshot,
      reason: ref.reason,
      loss: ref.loss ?? null,
      evaluation: ref.evaluation ?? null,
      bytes: await snapshotBytes(store, ref.snapshot) ?? null,
      readable: E.isRight(await store.snapshots.get(ref.snapshot)()),
      path: `${root}/${id}/checkpoints/${place}`,
    });
  }
  if (args.json) printJson(rows);
  else if (rows.length === 0) console.log(`Run "${id}" has no checkpoint yet.`);
  else {
    console.log(table(
      ["NAME", "STEP", "EPOCH", "REASON", "LOSS", "EVALUATION", "BYTES", "ID"],
      rows.map((row) => [
        row.name,
        String(row.step),
        String(row.epoch),
        row.reason,
        loss(row.loss),
        loss(row.evaluation),
        row.readable ? String(row.bytes) : "unreadable",
        row.id.slice(0, 12),
      ]),
    ));
    console.log(`\n${diskText(await orExit(diskUse(store, id, state)))}`);
  }
  return 0;
}
