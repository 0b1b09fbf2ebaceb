import type { Device } from "foldlog";

/**
 * A device that dispatches steps ahead, and where what is read of a step is there when `ready` says so, or
 * never. Steps are counted from 1; the elements are those of the moment in which the read ends.
 */
export function lateDevice(
  device: Device,
  stepsAhead: number,
  ready: (step: number) => Promise<void>,
): Device {
  let steps = 0;
  return {
    ...device,
    stepsAhead,
    async read(tensor, reuse) {
      const metrics = tensor.shape.length === 1 && (tensor.size === 2 || tensor.size === 3);
      if (metrics) await ready(++steps);
      return await device.read(tensor, reuse);
    },
  };
}

/** Milliseconds that a read takes, by step: later ones end before earlier ones. */
export function oddDelays(step: number): Promise<void> {
  const milliseconds = [9, 1, 5, 0, 3][step % 5]!;
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
