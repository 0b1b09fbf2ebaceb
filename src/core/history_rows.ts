import { type EvaluationTaken, isStep } from "./event.ts";
import type { Projection } from "./projection.ts";

/** What is known of a step of a run: what was measured in it, and in an evaluation after it. */
export interface HistoryRow {
  readonly step: number;
  /** Position of the data cursor after the step. */
  readonly epoch: number;
  readonly index: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradNorm: number;
  /** What the loss was multiplied by, in mixed precision. */
  readonly lossScale?: number;
  /** Of the evaluation after the step, where there was one. */
  readonly evaluation?: Omit<EvaluationTaken["data"], "step">;
}

/** Every step of the live branch, once and in order. A fork has none of before it began. */
export const historyRows: Projection<HistoryRow[]> = {
  initialView: () => [],
  evolve(rows, event) {
    if (isStep(event)) {
      const { step, epoch, index, loss, learningRate, gradNorm, lossScale } = event.data;
      const scale = lossScale === undefined ? {} : { lossScale };
      rows.push({ step, epoch, index, loss, learningRate, gradNorm, ...scale });
    } else if (event.type === "EvaluationTaken") {
      const { step, ...evaluation } = event.data;
      const last = rows.at(-1);
      if (last?.step === step) rows[rows.length - 1] = { ...last, evaluation };
    } else if (event.type === "RunRewound") {
      while (rows.length > 0 && rows.at(-1)!.step > event.data.step) rows.pop();
    }
    return rows;
  },
};
