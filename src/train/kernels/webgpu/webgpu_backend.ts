import type * as tf from "@tensorflow/tfjs";

/** What is used of tfjs's webgpu backend, 4.22: its own programs are recorded in the same way. */
export interface WebGpuBackend {
  readonly device: GPUDevice;
  /** Compiled programs by name; tfjs's own names begin otherwise than foldlog's. */
  readonly pipelineCache: Record<string, GPUComputePipeline>;
  /** An empty tensor has no buffer, or an empty one. */
  readonly tensorMap: {
    get(dataId: object): {
      readonly resource?: GPUBuffer;
      values?: Float32Array | Int32Array;
    };
  };
  /** Tensors that commands use which are not submitted yet: their buffers are not reused before. */
  readonly commandQueueOwnedIds: WeakSet<object>;
  readonly commandEncoder: GPUCommandEncoder;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  /** Gives a tensor its buffer, and its values where it has some. It may end the compute pass. */
  uploadToGPU(dataId: object): void;
  makeTensorInfo(shape: number[], dtype: string): tf.TensorInfo;
  /** Frees a tensor, after the commands that use it. */
  disposeData(dataId: object): boolean;
}
