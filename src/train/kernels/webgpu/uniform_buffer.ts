/** A number of a program. */
export interface UniformNumber {
  readonly type: "u32" | "f32";
  readonly value: number;
}

/** Buffers kept at most. A step uses one for each size that it meets, and a few that are its own. */
const LIMIT = 2048;

const kept = new WeakMap<GPUDevice, Map<string, GPUBuffer>>();

/**
 * A buffer that holds these numbers, one behind the other. It is kept: a step asks for the same numbers
 * as the one before, and to write a buffer anew costs as much as a third of a dispatch.
 */
export function uniformBuffer(device: GPUDevice, numbers: readonly UniformNumber[]): GPUBuffer {
  const buffers = kept.get(device) ?? new Map<string, GPUBuffer>();
  kept.set(device, buffers);
  const key = numbers.map(({ type, value }) => `${type}${value}`).join();
  const known = buffers.get(key);
  if (known !== undefined) return known;
  if (buffers.size >= LIMIT) buffers.clear(); // what commands still use lives until they have run
  const made = filled(device, numbers);
  buffers.set(key, made);
  return made;
}

function filled(device: GPUDevice, numbers: readonly UniformNumber[]): GPUBuffer {
  const size = 4 * numbers.length;
  const buffer = device.createBuffer({
    size,
    usage: GPUBufferUsage.UNIFORM,
    mappedAtCreation: true,
  });
  const view = new DataView(buffer.getMappedRange());
  numbers.forEach(({ type, value }, i) => {
    if (type === "u32") view.setUint32(4 * i, value, true);
    else view.setFloat32(4 * i, value, true);
  });
  buffer.unmap();
  return buffer;
}
