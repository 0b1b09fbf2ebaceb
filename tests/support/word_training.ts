/** The recipe transformer so small that six steps take a moment. Flags after it come on top. */
export const TRAIN =
  "train transformer --resume auto --backend wasm --set steps.max=6 --set save.every=2 " +
  "--set batch.size=4 --set batch.micro=4 --set batch.grain=2 --set evaluate.batches=1 " +
  "--set model.hiddenDim=8 --set model.numLayers=1 --set model.numHeads=2 --set model.context=8";
