import { DeviceMemoryError } from "../../device_memory_error.ts";
import type { WasmBackend } from "./wasm_backend.ts";

/** The most that the memory of tfjs's wasm backend grows to: 65,535 pages, in its build by emscripten. */
const LIMIT = 65_535 * 65_536;

/**
 * Has the backend throw a DeviceMemoryError where its memory has no room for what is asked for. Left alone,
 * tfjs takes the address 0 that it gets then for that of a tensor, and writes over whatever is there.
 *
 * Counts what is taken, for the error. What is taken and asked for may fit together and yet find no place
 * between what else is there.
 */
export function guardMemory({ wasm }: WasmBackend, limit = LIMIT): void {
  wasm._free(wasm._malloc(1)); // emscripten's put others in their place at the first call
  const { _malloc: malloc, _free: free } = wasm;
  const sizes = new Map<number, number>();
  let used = 0;

  wasm._malloc = (asked) => {
    const at = used + asked > limit ? 0 : malloc(asked) >>> 0; // as a signed number beyond 2 GiB
    if (at === 0) throw new DeviceMemoryError("wasm", { asked, used, limit });
    sizes.set(at, asked);
    used += asked;
    return at;
  };

  wasm._free = (address) => {
    const at = address >>> 0;
    used -= sizes.get(at) ?? 0;
    sizes.delete(at);
    free(address);
  };
}
