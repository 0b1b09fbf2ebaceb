import { fileStore } from "../adapters/file_store.ts";
import { diskUse } from "../app/disk_use.ts";
import { writeFiles } from "../adapters/write_files.ts";
import { readHead } from "../app/read_run.ts";
import { readCode } from "../app/run_code.ts";
import { kernelSetDigest } from "../codec/kernel_set_digest.ts";
import { settings } from "../core/config_path.ts";
import type { RunId } from "../core/run_id.ts";
import { runSummary } from "../core/run_summary.ts";
import type { Store } from "../ports/store.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson, runIdOf, runsDirectory } from "./context.ts";
import { diskText } from "./disk_text.ts";
import { loss, table } from "./table.ts";
import { UsageError } from "./usage_error.ts";

/** Shows what a run is and how far it came. */
export async function run(args: ArgumentsOf<"show">): Promise<number> {
  const id = runIdOf(args.run);
  const store = fileStore(runsDirectory(args.runs));
  if (args.code !== undefined) return await writeCode(store, id, args.code, args.json);
  const { state, ends, torn } = await orExit(readHead(store, id));
  const disk = await orExit(diskUse(store, id, state));
  const summary = {
    runId: id,
    ...runSummary(state),
    sessions: ends.last.session,
    startedAt: ends.first.recordedAt,
    lastEventAt: ends.last.recordedAt,
    torn: torn ?? null,
    disk,
  };
  if (args.json) {
    printJson(summary);
    return 0;
  }
  const { backend, adapter, tfjs, runtime, platform } = state.environment!;
  const environment = `${backend} (${adapter}), tfjs ${tfjs}, ${runtime}, ${platform}`;
  const facts = [
    ["run", id],
    ["recipe", summary.recipe ?? "-"],
    ["status", summary.status],
    ["step", `${summary.step} of ${summary.maxSteps}, epoch ${summary.epoch}`],
    ...(summary.skippedSteps > 0 ? [["skipped", `${summary.skippedSteps} steps`]] : []),
    [
      "loss",
      `last ${loss(summary.lastLoss)}, moving average ${loss(summary.trainEmaLoss)}, ` +
      `best ${loss(summary.bestLoss)} at step ${summary.bestStep ?? "-"}`,
    ],
    ["backend", environment],
    ["kernels", kernelSetDigest(state.environment!)?.slice(0, 16) ?? "not recorded"],
    ["code", state.code?.slice(0, 12) ?? "not recorded"],
    ["sessions", `${summary.sessions}, from ${summary.startedAt} to ${summary.lastEventAt}`],
    ["snapshots", summary.snapshots.map(({ step }) => step).join(", ") || "none"],
    ["disk", diskText(disk)],
    ...(torn ? [["torn tail", `${torn.bytes} bytes at ${torn.place}, never acknowledged`]] : []),
  ];
  console.log(table(["", ""], facts).trimStart());
  console.log("\nsettings");
  const rows = [...settings(state.config!)].map(([path, value]) => [`  ${path}`, String(value)]);
  console.log(table(["", ""], rows).replace(/^\s*\n/, ""));
  return 0;
}

/** Writes out the code that computes a run. */
async function writeCode(
  store: Store,
  run: RunId,
  directory: string,
  json: boolean,
): Promise<number> {
  if (directory === "") {
    throw new UsageError("Expected --code to name a directory, found an empty text.");
  }
  const { digest, manifest, files } = await orExit(readCode(store, run));
  await orExit(writeFiles(directory, files));
  const { imports } = manifest;
  if (json) printJson({ runId: run, code: digest, directory, files: [...files.keys()], imports });
  else {
    console.log(`${directory}: ${files.size} files of the code ${digest.slice(0, 12)}`);
    if (imports.length > 0) console.log(`It imports besides:\n  ${imports.join("\n  ")}`);
  }
  return 0;
}
