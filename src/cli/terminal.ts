import type { ChartRoom } from "./loss_chart.ts";

/** Lines of a chart, its legend besides. */
const CHART_HEIGHT = 12;

/** Whether standard output is a terminal that may have colours: <https://no-color.org>. */
export function hasColors(): boolean {
  return Deno.stdout.isTerminal() && !Deno.noColor;
}

/** Room for a chart on standard output: as wide as the terminal, or 80 columns where there is none. */
export function chartRoom(): ChartRoom {
  const width = Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 80;
  return { width, height: CHART_HEIGHT, colors: hasColors() };
}

/** The size of a terminal, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * What a terminal is to be told so that these lines stand where those before stood. What is higher than the
 * terminal begins on an empty one.
 */
export function redrawn(
  before: readonly string[],
  lines: readonly string[],
  { columns, rows }: TerminalSize,
): string {
  const height = before.reduce(
    (sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)),
    0,
  );
  const back = height === 0 ? "" : height < rows ? `\x1b[${height}A\x1b[J` : "\x1b[2J\x1b[H";
  return back + lines.map((line) => `${line}\n`).join("");
}
