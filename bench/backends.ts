import type { Backend } from "../src/adapters/device/backend_choice.ts";
import { findGpuAdapter } from "../src/adapters/device/tfjs_backend.ts";

/** The backends to measure: wasm, and webgpu where there is an adapter. */
export async function backendsHere(): Promise<readonly Backend[]> {
  return await findGpuAdapter() === undefined ? ["wasm"] : ["wasm", "webgpu"];
}
