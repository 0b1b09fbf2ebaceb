/**
 * Counts what is dispatched to the GPU by anyone in this process from now on. The function that it
 * returns tells the count.
 */
export function countDispatches(): () => number {
  let count = 0;
  const passes = GPUComputePassEncoder.prototype;
  for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"] as const) {
    const dispatch = passes[name] as (...args: unknown[]) => void;
    passes[name] = function (this: GPUComputePassEncoder, ...args: unknown[]) {
      count++;
      dispatch.apply(this, args);
    };
  }
  return () => count;
}
