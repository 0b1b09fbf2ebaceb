/** The ways in which a store can keep tensors. */
export const COMPRESSIONS = ["none", "zstd", "zstd-delta"] as const;

/** How tensors are kept: as they are, compressed alone, or as what changed since the last snapshot. */
export type Compression = typeof COMPRESSIONS[number];
