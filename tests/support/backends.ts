import assert from "node:assert/strict";
import { type Backend, type Device, openDevice, orThrow } from "foldlog";
import * as tf from "foldlog/tf";
import { findGpuAdapter } from "../../src/adapters/device/tfjs_backend.ts";

const REMEDY = "needs a WebGPU adapter; on Debian: apt-get install mesa-vulkan-drivers";

/** Where an adapter is required nobody asks for one: a search takes a tenth of a second in each file. */
const runsWebGpu = Deno.env.get("FOLDLOG_REQUIRE_WEBGPU") === "1" ||
  await findGpuAdapter() !== undefined;

/** The device of a backend, which is tfjs's current one until the next is opened; throws where there is none. */
export async function openTestDevice(backend: Backend): Promise<Device> {
  return await orThrow(openDevice(backend));
}

/**
 * A test that runs on one backend and fails where it leaves tensors behind.
 *
 * Without a WebGPU adapter (a software one counts) a test of webgpu is ignored and its name says what
 * would help, unless FOLDLOG_REQUIRE_WEBGPU is 1: then it runs, and fails.
 */
export function backendTest(
  backend: Backend,
  name: string,
  fn: (device: Device) => Promise<void> | void,
): void {
  const missing = backend === "webgpu" && !runsWebGpu;
  Deno.test({
    name: `${name} (${backend}${missing ? `: ${REMEDY}` : ""})`,
    ignore: missing,
    fn: async () => {
      const device = await openTestDevice(backend); // another test may have switched tfjs elsewhere
      await leaksNothing(() => fn(device));
    },
  });
}

/** Runs `work` and expects as many tensors after it as before. */
export async function leaksNothing<A>(work: () => A | Promise<A>): Promise<A> {
  const before = tf.memory().numTensors;
  const result = await work();
  assert.equal(tf.memory().numTensors - before, 0, "tensors were left behind");
  return result;
}
