import assert from "node:assert/strict";
import { lossChart } from "../../src/cli/loss_chart.ts";
import type { HistoryRow } from "../../src/core/history_rows.ts";

const room = { width: 40, height: 8, colors: false };
const DOT = "\u{25cf}";

Deno.test("lossChart() draws a falling loss from the highest line to the lowest, with its values beside", () => {
  const lines = lossChart(rowsOf([4, 3, 2, 1]), room).split("\n");
  assert.equal(lines.length, room.height + 2);
  assert.match(lines[0]!, /^ *4\.0000 [^ ]/);
  assert.match(lines[room.height]!, /^ *1\.0000 [^ ] {20,}[^ ]/);
  assert.match(lines.at(-1)!, /steps 1 to 4: training loss$/);
});

Deno.test("lossChart() is never wider than its room, however many steps there are", () => {
  for (const count of [1, 2, 29, 30, 31, 500, 10_000]) {
    const rows = rowsOf(Array.from({ length: count }, (_, i) => 1 / (i + 1)));
    const lines = lossChart(rows, room).split("\n").slice(0, -1);
    assert.equal(lines.length, room.height + 1);
    for (const line of lines) assert.ok(line.length <= room.width, `${count}: ${line}`);
  }
  assert.match(lossChart(rowsOf(Array(300).fill(2)), room), /the mean of 10\.0 steps a column$/);
});

Deno.test("a column is the mean of its steps: what goes up and down between them is not drawn", () => {
  const rows = rowsOf(Array.from({ length: 300 }, (_, i) => i % 2 === 0 ? 1 : 3));
  const [first, ...others] = lossChart(rows, room).split("\n").slice(0, -1);
  assert.match(first!, /2\.0000/);
  for (const line of others) assert.match(line, /2\.0000/);
});

Deno.test("lossChart() puts an evaluation at its step and its height", () => {
  const evaluated = new Map([[1, 4], [5, 6]]);
  const rows = rowsOf([2, 2, 2, 2, 2]).map((row) => {
    const loss = evaluated.get(row.step);
    return loss === undefined ? row : { ...row, evaluation: { loss, samples: 1 } };
  });
  const lines = lossChart(rows, room).split("\n");
  assert.equal(lines[0]!.at(-1), DOT);
  assert.equal(lines[0]!.length, room.width - 1);
  assert.match(lines[0]!, /6\.0000/);
  assert.match(lines.at(-1)!, new RegExp(`training loss; ${DOT} 2 evaluations$`));
  assert.match(lines[room.height / 2]!, new RegExp(`^ *4\\.0000 ${DOT}$`));
});

Deno.test("lossChart() has colours only where they are asked for", () => {
  const rows = rowsOf([2, 1]).map((row) => ({ ...row, evaluation: { loss: 1.5, samples: 1 } }));
  assert.ok(!lossChart(rows, room).includes("\x1b"));
  assert.ok(lossChart(rows, { ...room, colors: true }).includes(`\x1b[36m${DOT}`));
});

Deno.test("losses that are not finite are left out, and a run of none others says so", () => {
  const chart = lossChart(rowsOf([3, NaN, Infinity, 1]), room);
  assert.match(chart, /3\.0000/);
  assert.doesNotMatch(chart, /NaN|Infinity/);
  assert.equal(lossChart(rowsOf([NaN]), room), "There is no finite loss to draw yet.");
  assert.equal(lossChart([], room), "There is no finite loss to draw yet.");
});

Deno.test("lossChart() draws losses of any size, and those that are all equal", () => {
  for (const losses of [[0, 0], [5, 5, 5], [1e-30, 2e-30], [-1e308, 1e308], [1e300, 1], [7]]) {
    const lines = lossChart(rowsOf(losses), room).split("\n").slice(0, -1);
    assert.equal(lines.length, room.height + 1, String(losses));
    assert.doesNotMatch(lines.join(""), /NaN|Infinity/, String(losses));
    for (const line of lines) assert.ok(line.length <= room.width, line);
  }
});

function rowsOf(losses: readonly number[]): readonly HistoryRow[] {
  return losses.map((loss, i) => (
    { step: i + 1, epoch: 0, index: i, loss, learningRate: 1, gradNorm: 1 }
  ));
}
