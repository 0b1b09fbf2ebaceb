/** Whether a text names a file of weights, as trainers and model hubs call theirs. */
export function namesWeights(text: string): boolean {
  return /\.(?:safetensors|bin|pt|pth|ckpt)$/.test(text);
}

/** What such a file is, and what it is good for: for messages that refuse to resume from one. */
export const WEIGHTS_ALONE =
  "a file of weights, which has no optimiser, no step and no history to go on with " +
  "(`foldlog train RECIPE --base FILE` begins a new training with the weights of a file, " +
  "`foldlog fork RUN --weights-only` with those of a run)";
