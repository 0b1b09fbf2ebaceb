import { LANE_FACTORS, LANE_KEYS } from "../../../core/bit_sums.ts";
import { sizeOf } from "../../../core/host_tensor.ts";
import type { Attributes } from "../kernel.ts";
import { dispatch, withTemporary } from "./dispatch.ts";
import type { Program } from "./program.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";

/** Elements that one workgroup adds up, and invocations that share them out. */
const CHUNK = 16_384;
const INVOCATIONS = 64;

/** `bitSums` of each tensor: of chunks, and then of what these have. Integers need no order. */
export const fingerprint: WebGpuKernel<Attributes> = ({ backend }, inputs, [sums]) => {
  inputs.forEach((x, slot) => {
    const count = sizeOf(x.shape);
    const chunks = Math.max(1, Math.ceil(count / CHUNK));
    withTemporary(backend, [chunks, 4], (parts) => {
      if (count > 0) dispatch(backend, CHUNK_SUMS, { x, parts, count }, chunks);
      dispatch(backend, TOTAL, { parts, sums, slot, chunks: count > 0 ? chunks : 0 }, 1);
    });
  });
};

const CHUNK_SUMS: Program = {
  name: "foldlog.Fingerprint.chunks",
  reads: { x: "u32" },
  writes: { parts: "vec4u" },
  uniforms: { count: "u32" },
  invocations: INVOCATIONS,
  source: `
const KEYS = vec4u(${LANE_KEYS.map((key) => `${key}u`)});
const FACTORS = vec4u(${LANE_FACTORS.map((factor) => `${factor}u`)});
var<workgroup> shares: array<vec4u, ${INVOCATIONS}>;
fn kernel(group: u32, local: u32) {
  var share = vec4u(0u);
  let end = min((group + 1u) * ${CHUNK}u, u.count);
  for (var i = group * ${CHUNK}u + local; i < end; i += ${INVOCATIONS}u) {
    var a = i * 0x9e3779b1u;
    a ^= a >> 15u;
    var m = (x[i] ^ a) * 0x85ebca6bu;
    m = (m ^ (m >> 13u)) + a;
    var t = (vec4u(m) ^ KEYS) * 0xc2b2ae35u;
    t = (t ^ (t >> vec4u(16u))) * FACTORS;
    share += t ^ (t >> vec4u(15u));
  }
  shares[local] = share;
  workgroupBarrier();
  if (local > 0u) { return; }
  for (var other = 1u; other < ${INVOCATIONS}u; other++) { share += shares[other]; }
  parts[group] = share;
}`,
};

const TOTAL: Program = {
  name: "foldlog.Fingerprint",
  reads: { parts: "vec4u" },
  writes: { sums: "vec4u" },
  uniforms: { slot: "u32", chunks: "u32" },
  invocations: 1,
  source: `
fn kernel(group: u32, local: u32) {
  var sum = vec4u(0u);
  for (var i = 0u; i < u.chunks; i++) { sum += parts[i]; }
  sums[u.slot] = sum;
}`,
};
