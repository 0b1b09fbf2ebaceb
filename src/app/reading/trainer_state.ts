import { encodeNumbers } from "../../codec/float_codec.ts";
import type { HistoryRow } from "../../core/history_rows.ts";
import type { Json } from "../../core/json.ts";
import type { RunState } from "../../core/run_state.ts";

/** A state of a run, and what led there. */
export interface ExportedState {
  /** The history up to there. */
  readonly rows: readonly HistoryRow[];
  readonly state: RunState;
  /** Steps of the checkpoints that are written beside it. */
  readonly checkpoints: readonly number[];
}

/**
 * The members of Hugging Face's `trainer_state.json` (transformers, TrainerState), as far as a run has them.
 * Its "step" is an optimiser update, its epoch a fraction; a pass is its batch, so that with accumulation
 * `train_batch_size` is `batch.micro`. Losses that JSON has no number for are strings ("NaN").
 */
export function trainerState({ rows, state, checkpoints }: ExportedState): Json {
  const { steps, batch, evaluate, save } = state.config!;
  const samples = state.data!.samples;
  const best = state.bestEvaluation;
  return encodeNumbers({
    best_global_step: best?.step ?? null,
    best_metric: best?.loss ?? null,
    best_model_checkpoint: best !== undefined && checkpoints.includes(best.step)
      ? checkpointDirectory(best.step)
      : null,
    epoch: epochOf(state.cursor, samples),
    eval_steps: evaluate.every,
    global_step: state.step,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: rows.flatMap((row) => logged(row, samples)),
    logging_steps: 1,
    max_steps: steps.max,
    num_input_tokens_seen: 0,
    num_train_epochs: Math.ceil(steps.max * batch.size / samples),
    save_steps: save.every,
    stateful_callbacks: {},
    total_flos: 0,
    train_batch_size: batch.micro,
    trial_name: null,
    trial_params: null,
  });
}

/** What trainers keep beside a checkpoint, in a few members. `checkpoint` is where the run has it. */
export function trainingState(
  { rows, state }: ExportedState,
  { checkpoint, status }: { readonly checkpoint: string; readonly status: string },
): Json {
  return encodeNumbers({
    checkpoint_path: checkpoint,
    epoch: state.cursor.epoch,
    global_step: state.step,
    learning_rate: rows.at(-1)?.learningRate ?? null,
    loss: state.lastLoss?.loss ?? null,
    status,
  });
}

/** The directory of a checkpoint, as Hugging Face's trainer names it. */
export function checkpointDirectory(step: number): string {
  return `checkpoint-${step}`;
}

function logged(row: HistoryRow, samples: number): readonly unknown[] {
  const { step, loss, learningRate, gradNorm, evaluation } = row;
  const at = { epoch: epochOf(row, samples), step };
  return [
    { ...at, loss, learning_rate: learningRate, grad_norm: gradNorm },
    ...(evaluation === undefined ? [] : [{ ...at, ...evalMembers(evaluation) }]),
  ];
}

/** The loss of an evaluation and its measures, as Hugging Face's trainer names them. */
function evalMembers({ loss, measures = {} }: NonNullable<HistoryRow["evaluation"]>): object {
  const measured = Object.entries(measures).map(([name, value]) => [`eval_${name}`, value]);
  return { ...Object.fromEntries(measured), eval_loss: loss };
}

function epochOf(
  { epoch, index }: { readonly epoch: number; readonly index: number },
  samples: number,
): number {
  return epoch + Math.min(1, index / samples);
}
