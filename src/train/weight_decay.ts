import type { Tensor } from "./tree.ts";

/** Which parameters decay. */
export type DecayMask = (path: string, param: Tensor) => boolean;

/** What decays, and how strongly. */
export interface DecayOptions {
  readonly weightDecay?: number;
  /** Which parameters decay: those of two or more dimensions, unless it is given. */
  readonly decays?: DecayMask;
}

/** What a parameter is multiplied by before it joins its update: 0 where it does not decay. */
export function decayOf(
  { weightDecay = 0, decays = hasTwoDimensions }: DecayOptions,
): (path: string, param: Tensor) => number {
  return (path, param) => weightDecay > 0 && decays(path, param) ? weightDecay : 0;
}

/** The mask of parameters of two or more dimensions. */
export function hasTwoDimensions(_path: string, param: Tensor): boolean {
  return param.rank >= 2;
}
