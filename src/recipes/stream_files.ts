import { byteFilesSource } from "../adapters/data/byte_files.ts";
import { textFiles } from "../adapters/data/text_files.ts";
import { defaultConfig, mergeConfig, type RunConfig } from "../core/config.ts";
import { languageModelLoss } from "../model/language_model.ts";
import { initTransformer } from "../model/transformer.ts";
import { defineTask, type Task } from "../ports/task.ts";
import { speechFiles } from "./data/speech_files.ts";
import { generateText } from "./generate_text.ts";
import { wholeSettings } from "./own_settings.ts";
import type { Recipe } from "./recipe.ts";
import { transformerSizesOf } from "./transformer_sizes.ts";

/**
 * A small GPT on the bytes of many files, one after the other, as a stream that is longer than a training
 * has time for: the 233 State of the Union speeches, or text files of yours.
 *
 * The files are read in order, so a run says how many it has used: its checkpoints are called
 * `checkpoint-epoch0-step800-files46`, and a resume goes on in the middle of file 47. No sample is of two
 * files. The last of them are held out.
 */
export const streamFiles: Recipe = {
  name: "stream-files",
  module: import.meta.url,
  description:
    "a small GPT that reads files in order, 233 speeches or your own (two minutes on two cores)",
  presets: new URL("stream_files.yaml", import.meta.url).href,
  config: mergeConfig(defaultConfig, {
    steps: { max: 800 },
    batch: { size: 16, micro: 16 },
    optimizer: { learningRate: 3e-3, weightDecay: 0.1, beta2: 0.99 },
    schedule: { name: "cosine", warmupSteps: 40, factor: 0.1 },
    clip: { norm: 1 },
    // `files`: a pattern of text files on disk; without one the speeches. `heldOut`: how many, at the end.
    data: { shuffle: false, files: "", heldOut: 13 },
    model: { layers: 2, heads: 4, channels: 96, context: 64, dropout: 0 },
    save: { every: 100 },
    evaluate: { every: 100, batches: 16 },
  }),
  task: streamFilesTask,
};

async function streamFilesTask(config: RunConfig): Promise<Task> {
  const sizes = transformerSizesOf(config, 256);
  const { train, heldOut } = await filesOf(config);
  const loss = languageModelLoss(sizes);
  return defineTask({
    name: streamFiles.name,
    classes: { "model.dropout": "training" },
    init: (key) => initTransformer(sizes, key),
    loss,
    data: byteFilesSource("files", train, sizes.context),
    evaluation: {
      data: byteFilesSource("the last files", heldOut, sizes.context),
      loss: (params, batch) => loss(params, batch),
    },
    sample: (params, key, device) =>
      generateText(params, sizes, key, device, { prompt: "Fellow-Citizens " }),
  });
}

/** The files to train on, and those that are held out. */
async function filesOf({ data }: RunConfig) {
  const { heldOut } = wholeSettings("data", data, ["heldOut"]);
  const pattern = String(data.files);
  const files = pattern === "" ? await speechFiles() : await textFiles(pattern);
  if (heldOut >= files.length) {
    throw new RangeError(
      `Expected data.heldOut to leave a file to train on, found ${heldOut} of ${files.length} files`,
    );
  }
  return { train: files.slice(0, -heldOut), heldOut: files.slice(-heldOut) };
}
