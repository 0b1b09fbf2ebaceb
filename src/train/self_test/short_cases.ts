import { sizeOf } from "../../core/host_tensor.ts";
import type { KernelCase } from "./kernel_case.ts";
import { ownCases } from "./own_cases.ts";
import { stockCases } from "./stock_cases.ts";

/** Elements that the largest input has at least: webgpu leaves smaller ones to the host. */
const ENOUGH = 128;

/** How many cases each form of a kernel of foldlog's own has, and each kernel of tfjs's. */
const OWN = 2;
const STOCK = 1;

/**
 * The smallest cases of each kernel that reach the device: few enough to be computed at each start.
 *
 * Their bits are recorded in logs. A kernel's short cases must not change without need: a run from before
 * would be told that the kernel computes other bits.
 */
export function shortCases(): readonly KernelCase[] {
  return [
    ...smallestOf(Map.groupBy(ownCases(), formOf), OWN),
    ...smallestOf(Map.groupBy(stockCases(), ({ kernel }) => kernel), STOCK),
  ];
}

/** A kernel and the switches it is called with, such as which side of a product is transposed. */
function formOf({ kernel, attributes }: KernelCase): string {
  const switches = Object.entries(attributes).filter(([, value]) => typeof value === "boolean");
  return [kernel, ...switches.map(([name, on]) => `${name}=${on}`)].join(" ");
}

function smallestOf(
  groups: ReadonlyMap<string, readonly KernelCase[]>,
  count: number,
): readonly KernelCase[] {
  return [...groups.values()].flatMap((cases) =>
    cases.filter(({ inputs }) => inputs.some(({ shape }) => sizeOf(shape) >= ENOUGH))
      .toSorted((a, b) => elementsOf(a) - elementsOf(b))
      .slice(0, count)
  );
}

function elementsOf({ inputs }: KernelCase): number {
  return inputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}
