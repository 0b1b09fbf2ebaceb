import type { Digest } from "../core/digest.ts";
import type { TensorGroup } from "../core/snapshot.ts";

/** The weights of a model as a file has them, under foldlog's names: dense weights are [in, out]. */
export interface WeightsFile {
  /** The last part of the path that was read. */
  readonly name: string;
  /** SHA-256 of the bytes of the file with the tensors. */
  readonly digest: Digest;
  /** F16 and BF16 as float32. The data of a tensor may be a part of a larger buffer; borrow it. */
  readonly tensors: TensorGroup;
  /** Heads of attention, which no tensor tells, where the file or a config beside it does. */
  readonly heads?: number;
}
