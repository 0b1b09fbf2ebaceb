/**
 * WGSL of `total(lane, part)` and `greatest(lane, part)`: the sum and the greatest of one number of each
 * of the `width` invocations of a workgroup, a power of two, for all of them. Parts are added in pairs
 * half a group apart, then a quarter: always in the same order.
 */
export function fixedTree(width: number): string {
  if (width === 1) {
    return `
fn total(_lane: u32, part: f32) -> f32 { return part; }
fn greatest(_lane: u32, part: f32) -> f32 { return part; }
`;
  }
  return `
var<workgroup> parts: array<f32, ${width}>;
${treeOf("total", width, "parts[lane] + parts[lane + half]")}
${treeOf("greatest", width, "max(parts[lane], parts[lane + half])")}
`;
}

/** A function that joins two parts at a time. Its last barrier is before the next parts are written. */
function treeOf(name: string, width: number, joined: string): string {
  return `
fn ${name}(lane: u32, part: f32) -> f32 {
  parts[lane] = part;
  for (var half = ${width / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { parts[lane] = ${joined}; }
  }
  workgroupBarrier();
  let whole = parts[0];
  workgroupBarrier();
  return whole;
}`;
}
