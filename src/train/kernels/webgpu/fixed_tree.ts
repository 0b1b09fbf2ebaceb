/**
 * WGSL of `total(local, part)` and `greatest(local, part)`: the sum and the greatest of one number of
 * each of the `invocations` of a workgroup, a power of two, for all of them. Parts are added in pairs
 * half a group apart, then a quarter: always in the same order.
 */
export function fixedTree(invocations: number): string {
  return `
var<workgroup> parts: array<f32, ${invocations}>;
fn total(local: u32, part: f32) -> f32 {
  parts[local] = part;
  for (var half = ${invocations / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { parts[local] += parts[local + half]; }
  }
  workgroupBarrier();
  let sum = parts[0];
  workgroupBarrier(); // before the next parts are written
  return sum;
}
fn greatest(local: u32, part: f32) -> f32 {
  parts[local] = part;
  for (var half = ${invocations / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { parts[local] = max(parts[local], parts[local + half]); }
  }
  workgroupBarrier();
  let most = parts[0];
  workgroupBarrier();
  return most;
}
`;
}
