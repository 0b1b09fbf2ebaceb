import type { Digest } from "./digest.ts";

/** What a data set is, as far as resuming is concerned: other data under the same name is another digest. */
export interface DataIdentity {
  readonly name: string;
  /** Samples in one epoch. */
  readonly samples: number;
  /** Digest of the data set's contents. */
  readonly digest: Digest;
}
