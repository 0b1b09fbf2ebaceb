import type { Device } from "../../ports/device.ts";
import { release } from "../../train/ownership.ts";
import { PROBE, probeGradient } from "../../train/probe_gradient.ts";

/** Whether a device computes a small product and its gradient as arithmetic says, twice the same. */
export async function checkDevice(device: Device): Promise<boolean> {
  for (let time = 0; time < 2; time++) {
    const gradient = probeGradient();
    const { data } = await device.read(gradient);
    release(gradient);
    if (PROBE.some((expected, index) => data[index] !== expected)) return false;
  }
  return true;
}
