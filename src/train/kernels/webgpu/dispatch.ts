import * as tf from "@tensorflow/tfjs";
import { type Program, textOf } from "./program.ts";
import { uniformBuffer } from "./uniform_buffer.ts";
import type { WebGpuBackend } from "./webgpu_backend.ts";

/** The tensors and numbers of a program, by their names in it. None of them may be missing. */
export type Bindings = Readonly<Record<string, tf.TensorInfo | number | undefined>>;

/** Bits of a NaN, which WGSL has no constant for. */
export const NAN_BITS = 0x7fc00000;

/**
 * Records a run of a program, in `groups` workgroups, behind whatever was recorded before.
 *
 * As tfjs's `recordAndSubmit` does it, into the same compute pass: a dispatch sees what those before it
 * wrote, and no buffer is reused before the commands that use it are submitted.
 */
export function dispatch(
  backend: WebGpuBackend,
  program: Program,
  bindings: Bindings,
  groups: number,
): void {
  const names = [...Object.keys(program.reads), ...Object.keys(program.writes)];
  const resources = names.map((name) => {
    return { buffer: bufferOf(backend, `${name} of ${program.name}`, bindings[name]) };
  });
  const pipeline = backend.pipelineCache[program.name] ??= compile(backend.device, program);
  const numbers = Object.entries(program.uniforms).map(([name, type]) => {
    return { type, value: bindings[name] as number };
  });
  const uniforms = uniformBuffer(backend.device, [{ type: "u32", value: groups }, ...numbers]);
  const entries = [...resources, { buffer: uniforms }]
    .map((resource, binding) => ({ binding, resource }));
  const layout = pipeline.getBindGroupLayout(0);
  backend.ensureCommandEncoderReady();
  const pass = backend.computePassEncoder ??= backend.commandEncoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, backend.device.createBindGroup({ layout, entries }));
  const across = Math.min(groups, backend.device.limits.maxComputeWorkgroupsPerDimension);
  pass.dispatchWorkgroups(across, Math.ceil(groups / across));
  backend.dispatchCountInPass++;
  if (backend.dispatchCountInPass >= tf.env().getNumber("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE")) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
}

/** Runs `f` with a tensor that is freed after what `f` records. Its elements are not 0 before. */
export function withTemporary(
  backend: WebGpuBackend,
  shape: readonly number[],
  f: (tensor: tf.TensorInfo) => void,
): void {
  const tensor = backend.makeTensorInfo([...shape], "float32");
  try {
    f(tensor);
  } finally {
    backend.disposeData(tensor.dataId);
  }
}

/** The buffer of a tensor, which the commands to come use. */
function bufferOf(backend: WebGpuBackend, what: string, tensor: Bindings[string]): GPUBuffer {
  const { dataId } = tensor as tf.TensorInfo;
  backend.uploadToGPU(dataId);
  backend.commandQueueOwnedIds.add(dataId);
  const buffer = backend.tensorMap.get(dataId).resource;
  if (buffer === undefined || buffer.size === 0) return emptyBuffer(backend.device);
  const { maxStorageBufferBindingSize: most } = backend.device.limits;
  if (buffer.size > most) {
    throw new RangeError(
      `Expected a tensor of at most ${most} bytes, which is the adapter's limit, ` +
        `found ${buffer.size} for ${what}`,
    );
  }
  return buffer;
}

/** What stands for a tensor without elements: a buffer without any cannot be bound, and none is used. */
function emptyBuffer(device: GPUDevice): GPUBuffer {
  return device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE });
}

/** Compiles a program. One that is refused would fill its results with nothing, so that fails aloud. */
function compile(device: GPUDevice, program: Program): GPUComputePipeline {
  const label = program.name;
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label, code: textOf(program) });
  const pipeline = device.createComputePipeline({ label, layout: "auto", compute: { module } });
  void device.popErrorScope().then((error) => {
    if (error !== null) throw new Error(`Cannot compile ${label}: ${error.message}`);
  });
  return pipeline;
}
