import type { HostTensor } from "../../core/host_tensor.ts";

/** A batch of next-token windows, each [samples, context] int32. */
export type TokenBatch = { readonly tokens: HostTensor; readonly targets: HostTensor };

/** Tokens that follow each other: one more than a context has. */
export type TokenWindow = Uint8Array | Uint16Array | Uint32Array;

/** A batch that is being made. */
export interface BatchInMaking {
  readonly batch: TokenBatch;
  /** Writes a row: the first `context` tokens of a window as `tokens`, and the last as `targets`. */
  readonly fill: (row: number, window: TokenWindow) => void;
}

/** A batch of so many rows, all zeros until each is filled. */
export function tokenBatch(rows: number, context: number): BatchInMaking {
  const shape = [rows, context];
  const tokens = new Int32Array(rows * context);
  const targets = new Int32Array(rows * context);
  return {
    batch: {
      tokens: { dtype: "int32", shape, data: tokens },
      targets: { dtype: "int32", shape, data: targets },
    },
    fill(row, window) {
      tokens.set(window.subarray(0, context), row * context);
      targets.set(window.subarray(1), row * context);
    },
  };
}
