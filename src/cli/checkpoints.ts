import { checkpointPlace } from "../adapters/file_objects/checkpoint_view.ts";
import { fileStore } from "../adapters/file_store.ts";
import { type Checkpoint, listCheckpoints } from "../app/reading/list_checkpoints.ts";
import { diskUse } from "../app/upkeep/disk_use.ts";
import type { RunId } from "../core/run_id.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runIdOf, runsDirectory } from "./context.ts";
import { bytesText, diskText } from "./disk_text.ts";
import { loss, table } from "./table.ts";

/** Lists the snapshots that a run can be resumed from, oldest first; or tells all there is to know of the newest. */
export async function run(args: ArgumentsOf<"checkpoints">): Promise<number> {
  const id = runIdOf(args.run);
  const root = runsDirectory(args.runs);
  const store = fileStore(root);
  const { state, checkpoints } = await orExit(listCheckpoints(store, id, { latest: args.latest }));
  const rows = checkpoints.map((checkpoint) => dataOf(checkpoint, root, id));
  if (args.json) printJson(rows);
  else if (rows.length === 0) console.log(`Run "${id}" has no checkpoint yet.`);
  else if (args.latest) console.log(detailsOf(rows[0]!));
  else {
    console.log(listOf(rows));
    console.log(
      `\n${rows.length} in ${root}/${id}/checkpoints: ${
        diskText(await orExit(diskUse(store, id, state)))
      }`,
    );
  }
  return 0;
}

type Row = ReturnType<typeof dataOf>;

function dataOf(
  { ref, name, recordedAt, learningRate, bytes, readable }: Checkpoint,
  root: string,
  run: RunId,
) {
  return {
    name,
    step: ref.step,
    epoch: ref.cursor.epoch,
    id: ref.snapshot,
    reason: ref.reason,
    loss: ref.loss ?? null,
    evaluation: ref.evaluation ?? null,
    learningRate: learningRate ?? null,
    recordedAt,
    bytes: bytes ?? null,
    readable,
    path: `${root}/${checkpointPlace(run, ref.step)}`,
  };
}

function listOf(rows: readonly Row[]): string {
  return table(
    ["NAME", "STEP", "EPOCH", "REASON", "LOSS", "EVALUATION", "LR", "BYTES", "TIME", "ID"],
    rows.map((row) => [
      row.name,
      String(row.step),
      String(row.epoch),
      row.reason,
      loss(row.loss),
      loss(row.evaluation),
      rate(row),
      row.readable ? String(row.bytes) : "unreadable",
      timeOf(row),
      row.id.slice(0, 12),
    ]),
  );
}

function detailsOf(row: Row): string {
  const { name, step, epoch, reason, evaluation, bytes, readable, id, path } = row;
  return table(["", ""], [
    ["name", name],
    ["step", `${step}, epoch ${epoch}`],
    ["reason", reason],
    ["loss", loss(row.loss)],
    ["evaluation", loss(evaluation)],
    ["lr", rate(row)],
    ["time", timeOf(row)],
    ["size", readable && bytes !== null ? bytesText(bytes) : "unreadable"],
    ["id", id],
    ["where", path],
  ]).trimStart();
}

function rate({ learningRate }: Row): string {
  return learningRate === null ? "-" : learningRate.toPrecision(3);
}

/** In UTC, to the second. */
function timeOf({ recordedAt }: Row): string {
  return recordedAt.replace("T", " ").replace(/\.\d+Z$/, "Z");
}
