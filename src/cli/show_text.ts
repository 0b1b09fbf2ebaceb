import { kernelSetDigest } from "../codec/kernel_set_digest.ts";
import { settings } from "../core/config_path.ts";
import type { RunId } from "../core/run_id.ts";
import { originName, type RunOrigin } from "../core/run_origin.ts";
import type { RunState } from "../core/run_state.ts";
import { type RunSummary, runSummary } from "../core/run_summary.ts";
import { leftOutText } from "./left_out_text.ts";
import { measuresText } from "./measures_text.ts";
import { loss, table } from "./table.ts";

/** What a run was at a step, a fact a line, and what else there is to say of it. */
export function factsText(
  run: RunId,
  state: RunState,
  more: readonly (readonly string[])[],
): string {
  const summary = runSummary(state);
  const { backend, adapter, tfjs, runtime, platform } = state.environment!;
  const environment = `${backend} (${adapter}), tfjs ${tfjs}, ${runtime}, ${platform}`;
  const facts = [
    ["run", run],
    ["recipe", summary.recipe ?? "-"],
    ...(state.origin ? [["origin", originText(state.origin)]] : []),
    ["status", summary.status],
    ["step", `${summary.step} of ${summary.maxSteps}, epoch ${summary.epoch}`],
    ...(summary.files === null ? [] : [["files", filesText(summary)]]),
    ...(summary.skippedSteps > 0 ? [["skipped", `${summary.skippedSteps} steps`]] : []),
    [
      "loss",
      `last ${loss(summary.lastLoss)}, moving average ${loss(summary.trainEmaLoss)}, ` +
      `best ${loss(summary.bestLoss)} at step ${summary.bestStep ?? "-"}`,
    ],
    ...(summary.measures
      ? [["measures", measuresText(summary.measures).slice(2) + ", in the last evaluation"]]
      : []),
    ["backend", environment],
    ["kernels", kernelSetDigest(state.environment!)?.slice(0, 16) ?? "not recorded"],
    ["code", state.code?.slice(0, 12) ?? "not recorded"],
    ...more,
  ];
  return table(["", ""], facts).trimStart();
}

/** The settings of a run at a step, a line each. */
export function settingsText(state: RunState): string {
  const rows = [...settings(state.config!)].map(([path, value]) => [`  ${path}`, String(value)]);
  return `\nsettings\n${table(["", ""], rows).replace(/^\s*\n/, "")}`;
}

function filesText({ filesDone, files }: RunSummary): string {
  return filesDone === null ? `${files}, shuffled` : `${filesDone} of ${files}`;
}

function originText(origin: RunOrigin): string {
  const { parent, file, takes, into, leftOut, divergence } = origin;
  const what = takes === "state" ? "the state" : "the weights";
  const where = into === undefined ? "" : `, as its "${into}"`;
  return `${what} of ${originName(origin)} (${(parent?.state ?? file!.digest).slice(0, 12)})` +
    where +
    (leftOut ? `, without ${leftOutText(leftOut)}` : "") +
    (divergence === undefined ? "" : `, since its step ${divergence} could not be recomputed`);
}
