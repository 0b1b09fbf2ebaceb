import type { Snapshot } from "../../core/snapshot.ts";

/**
 * The memory that tensors are in, each buffer once, to be handed to another thread: what else is in
 * these buffers goes with them. Memory that threads share already is not among it.
 */
export function buffersOf(groups: Snapshot["groups"]): readonly ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const tensors of Object.values(groups)) {
    for (const { data: { buffer } } of tensors.values()) {
      if (buffer instanceof ArrayBuffer) buffers.add(buffer);
    }
  }
  return [...buffers];
}
