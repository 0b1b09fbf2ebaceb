import { DeviceMemoryError } from "../../device_memory_error.ts";
import type { WasmBackend } from "./wasm_backend.ts";

/** The most that the memory of tfjs's wasm backend grows to: 65,535 pages, in its build by emscripten. */
const LIMIT = 65_535 * 65_536;

/**
 * Has the backend throw a DeviceMemoryError where its memory has no room for what is asked for: left alone,
 * it ends itself with "Aborted()", and everything that it holds with it.
 *
 * Counts what is taken; what is taken and asked for together can fit and still not find a place, between
 * other things, and then the backend's own end is told in these words too.
 */
export function guardMemory({ wasm }: WasmBackend, limit = LIMIT): void {
  wasm._free(wasm._malloc(1)); // emscripten's put others in their place at the first call
  const { _malloc: malloc, _free: free } = wasm;
  const sizes = new Map<number, number>();
  let used = 0;

  wasm._malloc = (asked) => {
    if (used + asked > limit) throw new DeviceMemoryError("wasm", { asked, used, limit });
    const at = placeOf(asked);
    sizes.set(at, asked);
    used += asked;
    return at;
  };

  /** Where there is room; what tfjs asks for without a byte in it may be anywhere. */
  function placeOf(asked: number): number {
    try {
      return malloc(asked) >>> 0; // as a signed number beyond 2 GiB
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      throw new DeviceMemoryError("wasm", { asked, used, limit });
    }
  }

  wasm._free = (address) => {
    const at = address >>> 0;
    used -= sizes.get(at) ?? 0;
    sizes.delete(at);
    free(address);
  };
}
