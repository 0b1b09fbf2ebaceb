import { encodeNumber } from "../../codec/float_codec.ts";
import type { HostTensor } from "../../core/host_tensor.ts";
import type { Snapshot } from "../../core/snapshot.ts";
import {
  type DifferingElement,
  type ElementDifference,
  type ElementValue,
  type FormDifference,
  tensorDifference,
} from "../../core/tensor_difference.ts";

/** How two training states differ, leaf by leaf; a leaf is a tensor, named "group/path". */
export interface StateDifference {
  /** The steps that the states are of. */
  readonly steps: { readonly a: number; readonly b: number };
  /** How many leaves both have. */
  readonly leaves: number;
  /** The leaves of both that differ, by path. */
  readonly differing: readonly LeafDifference[];
  /** The leaves that only one has. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
}

/** How a leaf differs. */
export type LeafDifference = { readonly path: string } & (FormDifference | JsonElementDifference);

/** A number as JSON has it: a text where JSON has no number, such as "NaN". */
export type JsonNumber = number | string;

/** An ElementDifference whose values are JSON. */
export interface JsonElementDifference extends Omit<ElementDifference, "first" | "maxAbsolute"> {
  readonly first: Pick<DifferingElement, "index" | "at"> & {
    readonly a: JsonElementValue;
    readonly b: JsonElementValue;
  };
  readonly maxAbsolute?: JsonNumber;
}

/** An ElementValue whose value is JSON. */
export interface JsonElementValue extends Pick<ElementValue, "bits"> {
  readonly value: JsonNumber;
}

/** Compares two states, every bit of every tensor. Borrows both. */
export function stateDifference(a: Snapshot, b: Snapshot): StateDifference {
  const [leavesOfA, leavesOfB] = [leavesOf(a), leavesOf(b)];
  const [pathsOfA, pathsOfB] = [[...leavesOfA.keys()].sort(), [...leavesOfB.keys()].sort()];
  const common = pathsOfA.filter((path) => leavesOfB.has(path));
  return {
    steps: { a: a.step, b: b.step },
    leaves: common.length,
    differing: common.flatMap((path) =>
      leafDifference(path, leavesOfA.get(path)!, leavesOfB.get(path)!)
    ),
    onlyA: pathsOfA.filter((path) => !leavesOfB.has(path)),
    onlyB: pathsOfB.filter((path) => !leavesOfA.has(path)),
  };
}

/** Whether nothing differs. */
export function sameState({ differing, onlyA, onlyB }: StateDifference): boolean {
  return differing.length + onlyA.length + onlyB.length === 0;
}

function leavesOf({ groups }: Snapshot): ReadonlyMap<string, HostTensor> {
  return new Map(
    Object.entries(groups).flatMap(([group, tensors]) =>
      [...tensors].map(([path, tensor]) => [`${group}/${path}`, tensor] as const)
    ),
  );
}

function leafDifference(path: string, a: HostTensor, b: HostTensor): readonly LeafDifference[] {
  const found = tensorDifference(a, b);
  if (found === undefined) return [];
  if (found.differs === "form") return [{ path, ...found }];
  const { first, maxAbsolute, ...rest } = found;
  const values = { a: inJson(first.a), b: inJson(first.b) };
  return [{
    path,
    ...rest,
    first: { ...first, ...values },
    ...(maxAbsolute !== undefined && { maxAbsolute: encodeNumber(maxAbsolute) }),
  }];
}

function inJson({ value, bits }: ElementValue): JsonElementValue {
  return { value: encodeNumber(value), bits };
}
