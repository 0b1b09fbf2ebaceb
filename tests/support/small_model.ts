/** Arguments of `train` for a model whose step takes milliseconds, evaluated at every fourth step. */
export const SMALL_MODEL: readonly string[] = [
  ...["--backend", "wasm"],
  ...Object.entries({
    "model.layers": 1,
    "model.channels": 16,
    "model.heads": 2,
    "model.context": 16,
    "batch.size": 4,
    "batch.micro": 4,
    "evaluate.every": 4,
    "evaluate.batches": 2,
  }).flatMap(([path, value]) => ["--set", `${path}=${value}`]),
];
