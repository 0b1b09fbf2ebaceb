import type { Attributes } from "../kernel.ts";
import { NAN_BITS } from "./dispatch.ts";
import { type Elementwise, forEachElement } from "./elementwise.ts";
import type { WebGpuKernel } from "./register_webgpu_kernels.ts";

/** Each element rounded to the nearest of binary16, ties to even. */
export const half: WebGpuKernel<Attributes> = ({ backend }, [x], [y]) => {
  forEachElement(backend, HALF, { x, y });
};

/** The bits of `next` where the measure is finite, else those of `previous`. */
export const choose: WebGpuKernel<Attributes> = (
  { backend },
  [measure, next, previous],
  [chosen],
) => {
  forEachElement(backend, CHOOSE, { next, previous, chosen, measure });
};

/**
 * By integers alone. WGSL leaves it to the implementation which neighbour `f16()`, `pack2x16float()` and
 * `quantizeToF16()` round to, what becomes of a number that is too large, and whether subnormal numbers
 * are kept; and it lets a compiler take it that no float is infinite or NaN.
 *
 * The exponent says how many bits of the mantissa to round away: 13 from 2^-14 on, below that one more
 * for each power of two, and of what is less than half of 2^-24 all. The mantissa has its leading one, so
 * that taking this away again adds what was carried to the exponent.
 */
const HALF: Elementwise = {
  name: "foldlog.Half",
  reads: ["x"],
  writes: ["y"],
  uniforms: {},
  words: true,
  source: `
fn element(at: u32) {
  let one = Columns(1u);
  let leading = Columns(0x800000u);
  let size = x[at] & Columns(0x7fffffffu);
  let drop = Columns(126u) - clamp(size >> Columns(23u), Columns(101u), Columns(113u));
  let mantissa = (size & Columns(0x7fffffu)) | leading;
  let odd = (mantissa >> drop) & one;
  let kept = ((mantissa + (one << (drop - one)) - one + odd) >> drop) << drop;
  let number = (size & Columns(0x7f800000u)) + kept - leading;
  let nearest = select(number, Columns(0u), kept == Columns(0u));
  let bounded = select(nearest, Columns(0x7f800000u), nearest > Columns(0x477fe000u)); // 65504, the largest
  let signed = bounded | (x[at] & Columns(0x80000000u));
  y[at] = select(signed, Columns(${NAN_BITS}u), size > Columns(0x7f800000u));
}`,
};

/** A float is finite where not all bits of its exponent are set. */
const CHOOSE: Elementwise = {
  name: "foldlog.Choose",
  reads: ["next", "previous"],
  writes: ["chosen"],
  scalars: ["measure"],
  uniforms: {},
  words: true,
  source: `
fn element(at: u32) {
  if ((measure[0] & 0x7f800000u) != 0x7f800000u) {
    chosen[at] = next[at];
  } else {
    chosen[at] = previous[at];
  }
}`,
};
