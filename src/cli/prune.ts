import { fileStore } from "../adapters/file_store.ts";
import { type PruneReport, pruneRun } from "../app/upkeep/prune_run.ts";
import { checkpointName } from "../core/run_place.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runIdOf, runsDirectory } from "./context.ts";
import { freed } from "./gc.ts";
import { retentionOf } from "./retention_arguments.ts";
import { loss, table } from "./table.ts";
import { UsageError } from "./usage_error.ts";

const NO_RULE =
  "Expected a rule that says what is kept: --keep-last N, --keep-best N, --keep-every K or " +
  "--younger-than 7d. With several, a snapshot stays if any of them wants it. " +
  "--dry-run shows what would go.";

/** Prunes the snapshots of a run that no rule wants, and says of each why it stays or goes. */
export async function run(args: ArgumentsOf<"prune">): Promise<number> {
  const id = runIdOf(args.run);
  const policy = retentionOf(args);
  if (policy === undefined) throw new UsageError(NO_RULE);
  const store = fileStore(runsDirectory(args.runs));
  const report = await orExit(pruneRun(store, id, policy, { dryRun: args.dryRun }));
  if (args.json) printJson(dataOf(report));
  else print(report);
  return 0;
}

function dataOf({ run, dryRun, snapshots, collected }: PruneReport): unknown {
  return {
    runId: run,
    dryRun,
    snapshots: snapshots.map(({ snapshot, reasons, bytes }) => ({
      name: checkpointName(snapshot.step),
      step: snapshot.step,
      id: snapshot.snapshot,
      recordedAt: snapshot.recordedAt,
      loss: snapshot.loss ?? null,
      evaluation: snapshot.evaluation ?? null,
      bytes: bytes ?? null,
      pruned: reasons.length === 0,
      reasons,
    })),
    collected,
  };
}

function print({ run, dryRun, snapshots, collected }: PruneReport): void {
  if (snapshots.length === 0) console.log(`Run "${run}" has no checkpoint.`);
  else {
    const gone = dryRun ? "would be pruned" : "pruned";
    console.log(table(
      ["NAME", "STEP", "LOSS", "EVALUATION", "BYTES", ""],
      snapshots.map(({ snapshot, reasons, bytes }) => [
        checkpointName(snapshot.step),
        String(snapshot.step),
        loss(snapshot.loss),
        loss(snapshot.evaluation),
        bytes === undefined ? "unreadable" : String(bytes),
        reasons.length === 0 ? gone : `kept: ${reasons.join(", ")}`,
      ]),
    ));
  }
  const pruned = snapshots.filter(({ reasons }) => reasons.length === 0).length;
  const kept = snapshots.length - pruned;
  const would = dryRun ? "would be " : "";
  console.log(
    `${run}: ${kept} ${would}kept, ${pruned} ${would}pruned; ${freed(collected, dryRun)}`,
  );
}
