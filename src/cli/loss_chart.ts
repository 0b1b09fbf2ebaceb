import { plot } from "asciichart";
import type { HistoryRow } from "../core/history_rows.ts";
import { counted } from "./counted.ts";
import { loss } from "./table.ts";

/** Room for a chart in a terminal, in characters, and whether it has colours. */
export interface ChartRoom {
  readonly width: number;
  readonly height: number;
  readonly colors: boolean;
}

const LABEL = 9;
const EVALUATION = "\u{25cf}";

/**
 * The losses of a run as a chart of lines of text: that of the training as a line, and evaluations as dots
 * beside it. Where there are more steps than columns, a column is their mean. Losses that are not finite are
 * left out; a text that says so where no other is there.
 */
export function lossChart(
  rows: readonly HistoryRow[],
  { width, height, colors }: ChartRoom,
): string {
  const finite = rows.filter(({ loss }) => Number.isFinite(loss));
  if (finite.length === 0) return "There is no finite loss to draw yet.";
  const columns = Math.max(2, width - LABEL - 1);
  const line = resampled(finite.map(({ loss }) => loss), columns);
  const [first, last] = [finite[0]!.step, finite.at(-1)!.step];
  const dots = rows.flatMap(({ step, evaluation }) => {
    if (evaluation === undefined || !Number.isFinite(evaluation.loss)) return [];
    const share = last === first ? 0 : Math.min(1, Math.max(0, (step - first) / (last - first)));
    return [{ column: Math.round(share * (line.length - 1)), loss: evaluation.loss }];
  });
  const all = [...line, ...dots.map(({ loss }) => loss)];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const level = (value: number) =>
    most === least ? height / 2 : (value / 2 - least / 2) / (most / 2 - least / 2) * height;
  const drawn: string = plot(line.map(level), {
    ...{ min: 0, max: height, height, offset: 2 },
    format: (at: number) => labelOf(between(least, most, at / height)),
  });
  const lines = drawn.split("\n").map((text) => [...text]);
  for (const { column, loss } of dots) {
    const text = lines[height - Math.round(level(loss))]!;
    while (text.length <= LABEL + column) text.push(" ");
    text[LABEL + column] = EVALUATION;
  }
  const chart = lines.map((text) => text.join("").trimEnd()).join("\n");
  return `${painted(chart, colors)}\n${painted(legend(finite, dots.length, columns), colors)}`;
}

/** As many values as there are columns: means of neighbours, or points on the lines between them. */
function resampled(values: readonly number[], columns: number): readonly number[] {
  if (values.length === 1) return [values[0]!, values[0]!];
  return Array.from({ length: columns }, (_, column) => {
    if (values.length < columns) {
      const at = column * (values.length - 1) / (columns - 1);
      return between(values[Math.floor(at)]!, values[Math.ceil(at)]!, at % 1);
    }
    const from = Math.floor(column * values.length / columns);
    const part = values.slice(from, Math.floor((column + 1) * values.length / columns));
    return part.reduce((sum, value) => sum + value / part.length, 0);
  });
}

/** Without a difference, which may be greater than any number. */
function between(a: number, b: number, share: number): number {
  return a * (1 - share) + b * share;
}

function labelOf(value: number): string {
  const text = loss(value);
  return (text.length > LABEL - 1 ? value.toPrecision(2) : text).padStart(LABEL - 1).padEnd(LABEL);
}

function legend(rows: readonly HistoryRow[], evaluations: number, columns: number): string {
  const mean = rows.length > columns
    ? `, the mean of ${(rows.length / columns).toFixed(1)} steps a column`
    : "";
  return `${" ".repeat(LABEL + 1)}steps ${rows[0]!.step} to ${
    rows.at(-1)!.step
  }: training loss${mean}` +
    (evaluations === 0 ? "" : `; ${EVALUATION} ${counted(evaluations, "evaluation")}`);
}

function painted(text: string, colors: boolean): string {
  return colors ? text.replaceAll(EVALUATION, `\x1b[36m${EVALUATION}\x1b[39m`) : text;
}
