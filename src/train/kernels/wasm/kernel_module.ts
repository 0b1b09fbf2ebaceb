import { KERNELS_WASM } from "./kernels_wasm.ts";
import type { WasmBackend } from "./wasm_backend.ts";

/** The functions of `assembly/`, on addresses in the memory of the wasm backend. */
export interface KernelModule {
  readonly functions: Readonly<Record<string, (...args: number[]) => number>>;
  /** Memory that every kernel may work in, and that none keeps anything in. */
  readonly work: number;
  /** Runs `f` with so many bytes of memory of its own. */
  readonly withMemory: (bytes: number, f: (at: number) => void) => void;
  /** The float at an address. */
  readonly write: (at: number, value: number) => void;
  readonly read: (at: number) => number;
}

/**
 * Whether the kernels multiply and add with one rounding here: a matter of the processor, and of every
 * bit that they compute.
 */
export function fusesMultiplyAdd(): boolean {
  const { multiplyAdd } = functionsIn(new WebAssembly.Memory({ initial: 1 }));
  return multiplyAdd!(1 + 2 ** -23, 1 - 2 ** -23, -1) !== 0; // the product rounds to 1
}

/** The module of the kernels, in the memory of a backend. */
export function instantiate({ wasm }: WasmBackend): KernelModule {
  const { memory } = wasm.asm;
  const functions = functionsIn(memory);
  const allocate = (size: number) => wasm._malloc(size) >>> 0; // as a signed number beyond 2 GiB
  const view = (at: number) => new DataView(memory.buffer, at, 4);
  return {
    functions,
    work: allocate(functions["workBytes"]!()),
    withMemory(size, f) {
      const at = allocate(size);
      try {
        f(at);
      } finally {
        wasm._free(at);
      }
    },
    write: (at, value) => view(at).setFloat32(0, value, true),
    read: (at) => view(at).getFloat32(0, true),
  };
}

function functionsIn(memory: WebAssembly.Memory): KernelModule["functions"] {
  const module = new WebAssembly.Module(Uint8Array.fromBase64(KERNELS_WASM));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports as unknown as KernelModule["functions"];
}
