/**
 * Copies the bits of `count` elements: those of `next` where the float at `measure` is finite, which is
 * where not all bits of its exponent are set, else those of `previous`.
 */
export function choose(
  measure: usize,
  next: usize,
  previous: usize,
  to: usize,
  count: i32,
): void {
  const finite = (load<u32>(measure) & 0x7f800000) != 0x7f800000;
  memory.copy(to, finite ? next : previous, count << 2);
}
