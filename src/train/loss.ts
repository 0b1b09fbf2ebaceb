import type { Scalar, Tensor } from "@tensorflow/tfjs";
import type { HostTensor } from "../core/host_tensor.ts";
import type { RngKey } from "../core/rng_key.ts";
import type { Tree } from "./tree.ts";

/** A batch in host memory: named tensors whose first dimension is the samples. */
export type HostBatch = { readonly [name: string]: HostTensor };

/** A batch on the device, as `loss` borrows it: the tensors of a host batch by the same names. */
export type Batch<B extends HostBatch = HostBatch> = { readonly [Name in keyof B]: Tensor };

/** The mean loss of a batch. */
export type Loss<P extends Tree = Tree> = (params: P, batch: Batch, key: RngKey) => Scalar;
