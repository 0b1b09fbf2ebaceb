/** The backends that foldlog can train on. */
export const BACKENDS = ["webgpu", "wasm", "cpu"] as const;

/** One of the backends. */
export type Backend = (typeof BACKENDS)[number];

/** A backend, or "auto": a hardware WebGPU adapter, else wasm. */
export type BackendChoice = Backend | "auto";
