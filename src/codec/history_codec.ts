import type { HistoryRow } from "../core/history_rows.ts";
import { canonicalJson } from "./canonical_json.ts";
import { encodeNumber, encodeNumbers } from "./float_codec.ts";

/** What a row says under its names in files: those that are undefined are nothing that was measured. */
type Columns = Readonly<Record<string, number | undefined>>;

/**
 * A history as JSON Lines: an object a step, without what was not measured. NaN, the infinities and -0, for
 * which JSON has no number, are the strings "NaN", "Infinity", "-Infinity" and "-0", as in the log.
 */
export function historyJsonl(rows: readonly HistoryRow[]): string {
  return rows.map((row) => `${canonicalJson(encodeNumbers(columnsOf(row)))}\n`).join("");
}

/**
 * A history as comma-separated values (RFC 4180, but lines end in a line feed): a heading, and a line a step.
 * What was not measured is an empty field; a measure has a column `evaluation.NAME`; NaN, Infinity and -Infinity are these words.
 */
export function historyCsv(rows: readonly HistoryRow[]): string {
  const lines = rows.map(columnsOf);
  const always = [
    "step",
    "epoch",
    "loss",
    "learningRate",
    "gradNorm",
    "lossScale",
    "evaluationLoss",
  ];
  const others = new Set(lines.flatMap((line) => Object.keys(line)));
  const head = [...always, ...[...others].filter((name) => !always.includes(name)).sort()];
  const body = lines.map((line) => head.map((name) => fieldOf(line[name])));
  return [head.map(quotedField), ...body].map((fields) => `${fields.join(",")}\n`).join("");
}

function columnsOf({ index: _, evaluation, ...row }: HistoryRow): Columns {
  if (evaluation === undefined) return row;
  const { loss, emaLoss, measures = {} } = evaluation;
  const measured = Object.entries(measures).map(([name, value]) => [`evaluation.${name}`, value]);
  return {
    ...row,
    evaluationLoss: loss,
    ...(emaLoss !== undefined && { averageEvaluationLoss: emaLoss }),
    ...Object.fromEntries(measured),
  };
}

function fieldOf(value: number | undefined): string {
  return value === undefined ? "" : String(encodeNumber(value));
}

function quotedField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
