import { fail } from "../../ports/attempt.ts";
import { DeviceMemoryError } from "../../train/device_memory_error.ts";
import type { RunError } from "../errors/errors.ts";

/**
 * Makes tensors of the state after a step. That the device has no memory for them is a failure
 * (DeviceMemoryFull) with the sizes; anything else is thrown as it is.
 */
export function inDeviceMemory<A>(step: number, work: () => A): A {
  try {
    return work();
  } catch (error) {
    failWithoutMemory(step, error);
    throw error;
  }
}

/** Fails where what was thrown says that the device's memory is full. */
export function failWithoutMemory(step: number, error: unknown): void {
  if (!(error instanceof DeviceMemoryError)) return;
  const { device, asked, used, limit } = error;
  fail({ type: "DeviceMemoryFull", step, device, asked, used, limit } satisfies RunError);
}
