import { sha256 } from "../../codec/digest.ts";
import type { BatchSource } from "../../ports/batch_source.ts";
import { type TokenBatch, tokenBatch } from "./token_batch.ts";

/**
 * Next-token windows over the bytes of a text: sample i reads `context` + 1 bytes from i * `context`,
 * the first `context` as `tokens` and the last `context` as `targets`.
 *
 * Borrows `bytes` for as long as it lives. Throws a RangeError where there is not one whole window.
 */
export function byteTokenSource(
  name: string,
  bytes: Uint8Array,
  context: number,
): BatchSource<TokenBatch> {
  return windowsOf(name, bytes, context, "bytes");
}

/** As `byteTokenSource`, over tokens. */
export function tokenSource(
  name: string,
  tokens: Uint16Array,
  context: number,
): BatchSource<TokenBatch> {
  return windowsOf(name, tokens, context, "tokens");
}

function windowsOf(
  name: string,
  all: Uint8Array | Uint16Array,
  context: number,
  unit: "bytes" | "tokens",
): BatchSource<TokenBatch> {
  const samples = Math.floor((all.length - 1) / context);
  if (samples < 1) {
    throw new RangeError(
      `Expected at least ${context + 1} ${unit} of "${name}" for a context of ${context}, ` +
        `found ${all.length}`,
    );
  }
  const digest = sha256(new Uint8Array(all.buffer, all.byteOffset, all.byteLength));
  return {
    identity: { name: `${name}, windows of ${context} ${unit}`, samples, digest },
    at(numbers) {
      const { batch, fill } = tokenBatch(numbers.length, context);
      numbers.forEach((number, row) => {
        fill(row, all.subarray(number * context, (number + 1) * context + 1));
      });
      return batch;
    },
  };
}
