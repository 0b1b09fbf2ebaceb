import type { DataIdentity } from "../core/data_identity.ts";
import type { HostBatch } from "../train/loss.ts";

/**
 * Random access to a data set: the batch at any position costs the same, so that resuming in the
 * middle of an epoch skips nothing.
 *
 * The order is not the source's business: the loop derives sample numbers from the data cursor.
 */
export interface BatchSource<B extends HostBatch = HostBatch> {
  readonly identity: DataIdentity;
  /**
   * The samples with these numbers (0 to `identity.samples` - 1), in this order.
   *
   * Must depend on nothing but `samples`. The caller owns the batch: return fresh arrays.
   */
  readonly at: (samples: readonly number[]) => B | Promise<B>;
}
