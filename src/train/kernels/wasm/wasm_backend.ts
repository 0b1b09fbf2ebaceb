import type * as tf from "@tensorflow/tfjs";

/** What is used of tfjs's wasm backend. */
export interface WasmBackend {
  readonly dataIdMap: {
    has(dataId: object): boolean;
    get(dataId: object): { readonly memoryOffset: number };
  };
  readonly wasm: {
    readonly asm: { readonly memory: WebAssembly.Memory };
    _malloc: (bytes: number) => number;
    _free: (address: number) => void;
  };
  incRef(dataId: object): void;
  makeOutput(shape: number[], dtype: string): tf.TensorInfo;
}
