import type { Backend } from "../src/adapters/device/backend_choice.ts";
import { openDevice } from "../src/adapters/device/tfjs_backend.ts";
import { orThrow } from "../src/app/errors/or_throw.ts";
import type { HostTensor } from "../src/core/host_tensor.ts";
import { key } from "../src/core/rng_key.ts";
import { languageModelLoss } from "../src/model/language_model.ts";
import { initTransformer, type TransformerParams } from "../src/model/transformer.ts";
import { adamw } from "../src/train/adamw.ts";
import { toDevice } from "../src/train/device_tensor.ts";
import { release, scoped } from "../src/train/ownership.ts";
import { initialTrainState, tensorsOf } from "../src/train/train_state.ts";
import { type Training, trainStep } from "../src/train/train_step.ts";
import { leavesOf, withLeaves } from "../src/train/tree.ts";
import { type GptProblem, LEARNING_RATE } from "./gpt_problem.ts";
import { tfjsMemory } from "./tfjs_memory.ts";
import type { Trainee } from "./trainee.ts";

/** The mini GPT in training by foldlog, in passes of `grain` samples; the whole batch unless given. */
export async function foldlogGpt(
  problem: GptProblem,
  backend: Backend,
  grain = problem.tokens.shape[0]!,
): Promise<Trainee & Disposable> {
  const { sizes, tokens, targets } = problem;
  const device = await orThrow(openDevice(backend));
  const loss = languageModelLoss(sizes);
  const training: Training<TransformerParams> = {
    loss: (params, batch) => loss(params, { tokens: batch["tokens"]!, targets: batch["targets"]! }),
    optimizer: adamw(),
    schedule: () => LEARNING_RATE,
    key: key(1),
  };
  let state = initialTrainState(() => paramsOf(problem), training.optimizer);
  const [batch, context] = tokens.shape as [number, number];
  const partOf = ({ data, ...rest }: HostTensor, from: number): HostTensor => {
    const part = data.subarray(from * context, (from + grain) * context);
    return { ...rest, shape: [grain, context], data: part } as HostTensor;
  };
  const grains = Array.from({ length: batch / grain }, (_, number) => ({
    tokens: partOf(tokens, number * grain),
    targets: partOf(targets, number * grain),
  }));
  const step = async () => {
    const next = trainStep(training, state, grains);
    release(tensorsOf(state), tensorsOf(next.state));
    state = next.state;
    const { data } = await device.read(next.metrics.values);
    release(next.metrics.values);
    return data[0]!;
  };
  return {
    name: "foldlog",
    step,
    memory: () => tfjsMemory(step),
    [Symbol.dispose]: () => release(tensorsOf(state)),
  };
}

function paramsOf({ sizes, weights }: GptProblem): TransformerParams {
  return scoped(() => {
    const drawn = initTransformer(sizes, key(0));
    return withLeaves(drawn, leavesOf(drawn).map(([name]) => toDevice(weights.get(name)!)));
  });
}
