import * as tf from "@tensorflow/tfjs";
import type { TaskEither } from "fp-ts/TaskEither.js";
import type { Environment } from "../../core/environment.ts";
import type { HostTensor } from "../../core/host_tensor.ts";
import { attempt, fail } from "../../ports/attempt.ts";
import type { BackendUnavailable, Device } from "../../ports/device.ts";
import { registerCpuKernels } from "../../train/kernels/cpu/register_cpu_kernels.ts";
import { orderOps } from "../../train/kernels/ordered_ops.ts";
import {
  HARDWARE,
  registerWebGpuKernels,
  SOFTWARE,
} from "../../train/kernels/webgpu/register_webgpu_kernels.ts";
import { fusesMultiplyAdd } from "../../train/kernels/wasm/kernel_module.ts";
import { registerWasmKernels } from "../../train/kernels/wasm/register_wasm_kernels.ts";
import type { WasmBackend } from "../../train/kernels/wasm/wasm_backend.ts";
import type { Backend, BackendChoice } from "./backend_choice.ts";
import { kernelDigests } from "./kernel_digests.ts";

/** Milliseconds of steps after which the event loop has a turn; a turn costs about two. */
const TURN_EVERY = 100;

/**
 * Steps that are dispatched to a GPU before an earlier one is read back. Deno takes ten milliseconds to
 * say that a buffer can be read, after it can: one step in flight hides that behind steps that take as
 * long, and these behind shorter ones.
 */
const STEPS_AHEAD = 4;

/** A WebGPU adapter as far as the choice of a backend is concerned. */
export interface GpuAdapter {
  readonly description: string;
  /** Computed by the processor: slower than wasm. */
  readonly software: boolean;
}

/**
 * Starts a backend and makes it tfjs's current one.
 *
 * tfjs has one current backend in a process, so a process trains on one device at a time.
 */
export function openDevice(choice: BackendChoice = "auto"): TaskEither<BackendUnavailable, Device> {
  return attempt(async () => {
    const adapter = choice === "wasm" || choice === "cpu" ? undefined : await findGpuAdapter();
    const { backend, why } = choose(choice, adapter);
    const detail = await start(backend, adapter);
    const kernels = await kernelsOf(backend);
    const environment = environmentOf(backend, detail, kernels);
    const takeTurn = turnTaker();
    return {
      environment,
      explanation: `${backend} (${detail}): ${why}`,
      activate: async () => void await tf.setBackend(backend),
      read: async (tensor, reuse) => {
        await takeTurn();
        return await readTensor(tensor, reuse);
      },
      ...(backend === "webgpu" && { stepsAhead: STEPS_AHEAD }),
    };
  });
}

/** The adapter that WebGPU offers, if any. */
export async function findGpuAdapter(): Promise<GpuAdapter | undefined> {
  silenceWindowSystem();
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return undefined;
  const { description, vendor, device, isFallbackAdapter } = adapter.info;
  const name = description || `${vendor} ${device}`;
  const software = isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|softpipe/i.test(name);
  return { description: name, software };
}

function choose(
  choice: BackendChoice,
  adapter: GpuAdapter | undefined,
): { readonly backend: Backend; readonly why: string } {
  if (choice === "webgpu" && adapter === undefined) {
    return fail({
      type: "BackendUnavailable",
      backend: choice,
      reason: "no WebGPU adapter was found; on Debian, `apt-get install mesa-vulkan-drivers` " +
        "gives a software one, or use --backend wasm",
    });
  }
  if (choice !== "auto") return { backend: choice, why: "as asked" };
  if (adapter === undefined) return { backend: "wasm", why: "no WebGPU adapter was found" };
  if (adapter.software) {
    return {
      backend: "wasm",
      why: `the only WebGPU adapter, ${adapter.description}, is a software one, slower than wasm`,
    };
  }
  return { backend: "webgpu", why: "a hardware WebGPU adapter was found" };
}

/** Registers the backend with tfjs, makes it current, and says what it runs on. */
async function start(
  backend: Backend,
  adapter: GpuAdapter | undefined,
): Promise<string> {
  tf.enableProdMode(); // no advice about other packages on the console
  let detail = "JavaScript";
  if (backend === "webgpu") {
    await import("@tensorflow/tfjs-backend-webgpu");
    pinMatMulProgram();
    detail = adapter!.description;
  } else if (backend === "wasm") {
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    const simd = await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT");
    if (!await tf.setBackend("wasm")) return unavailable(backend);
    const fused = fusesMultiplyAdd() ? "fused multiply-add" : "no fused multiply-add";
    detail = `${simd ? "SIMD" : "no SIMD"}, ${fused}, threads: ${wasm.getThreadsCount()}`;
  } else {
    await import("@tensorflow/tfjs-backend-cpu");
  }
  if (!await tf.setBackend(backend)) return unavailable(backend);
  await tf.ready();
  registerKernels(backend, adapter);
  return detail;
}

/** Registers foldlog's own kernels with the backend, which has been started. */
function registerKernels(backend: Backend, adapter: GpuAdapter | undefined): void {
  switch (backend) {
    case "wasm":
      registerWasmKernels(tf.backend() as unknown as WasmBackend);
      break;
    case "cpu":
      registerCpuKernels();
      break;
    case "webgpu":
      registerWebGpuKernels(adapter!.software ? SOFTWARE : HARDWARE);
      break;
    default:
      backend satisfies never;
  }
  orderOps(backend);
}

function unavailable(backend: string): never {
  return fail({ type: "BackendUnavailable", backend, reason: "tfjs could not start it" });
}

/**
 * Has tfjs use one matrix product on every adapter.
 *
 * Left alone it chooses by the adapter and the sizes, and one choice, MatMulSplitKProgram, adds with
 * atomics in no fixed order. 3 is MatMulPackedProgram in tfjs-backend-webgpu's webgpu_util.
 */
function pinMatMulProgram(): void {
  tf.env().set("WEBGPU_MATMUL_PROGRAM_TYPE", 3);
}

/** Mesa complains on standard error where this is not set; no window is ever opened. */
function silenceWindowSystem(): void {
  const granted = Deno.permissions.querySync({ name: "env", variable: "XDG_RUNTIME_DIR" });
  if (granted.state !== "granted" || Deno.env.get("XDG_RUNTIME_DIR") !== undefined) return;
  Deno.env.set("XDG_RUNTIME_DIR", "/tmp");
}

/** What the kernels of each backend compute that was started in this process. */
const kernelsOfStarted = new Map<Backend, NonNullable<Environment["kernels"]>>();

/** What the kernels of the backend, which is the current one, compute: found once in a process. */
async function kernelsOf(backend: Backend): Promise<NonNullable<Environment["kernels"]>> {
  const known = kernelsOfStarted.get(backend) ?? await kernelDigests(readTensor);
  kernelsOfStarted.set(backend, known);
  return known;
}

function environmentOf(
  backend: string,
  adapter: string,
  kernels: NonNullable<Environment["kernels"]>,
): Environment {
  return {
    backend,
    adapter,
    tfjs: tf.version["tfjs"] ?? "unknown",
    runtime: `deno ${Deno.version.deno} (v8 ${Deno.version.v8})`,
    platform: `${Deno.build.arch}-${Deno.build.os}`,
    kernels,
  };
}

/**
 * Gives signals, timers and messages their turn, ten times a second at most: steps on wasm only ever
 * wait for what is there already, and nothing else would happen between them.
 */
function turnTaker(): () => Promise<void> {
  let turnedAt = 0;
  return async () => {
    if (performance.now() - turnedAt < TURN_EVERY) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    turnedAt = performance.now();
  };
}

/** Reads a tensor back, as `Device.read` says. Borrows the tensor. */
async function readTensor(tensor: tf.Tensor, reuse?: HostTensor): Promise<HostTensor> {
  const { dtype, shape } = tensor;
  if (dtype !== "float32" && dtype !== "int32") {
    throw new TypeError(`Expected a float32 or int32 tensor to read, found ${dtype}`);
  }
  // Either way the elements are a backend's own: the cpu's array, the webgpu's cache, the wasm's heap.
  const elements = onHeap(tensor) ?? await tensor.data<"float32" | "int32">();
  const memory = reuse?.data;
  if (memory?.constructor !== elements.constructor || memory.length !== elements.length) {
    return { dtype, shape, data: elements.slice() };
  }
  memory.set(elements);
  return { dtype, shape, data: memory };
}

/**
 * The elements of a tensor of the wasm backend where they are: `data()` would copy them once more, into
 * fresh memory. Valid until anything is computed.
 */
function onHeap({ dataId, dtype, size }: tf.Tensor): Float32Array | Int32Array | undefined {
  const backend = tf.findBackend("wasm") as unknown as WasmBackend | null;
  if (!backend?.dataIdMap.has(dataId)) return undefined;
  const { buffer } = backend.wasm.asm.memory;
  const at = backend.dataIdMap.get(dataId).memoryOffset;
  return dtype === "float32"
    ? new Float32Array(buffer, at, size)
    : new Int32Array(buffer, at, size);
}
