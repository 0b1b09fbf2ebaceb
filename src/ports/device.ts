import type { Environment } from "../core/environment.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import type { Tensor } from "../train/tree.ts";

/** What computes: the one place where values come back from the device. */
export interface Device {
  readonly environment: Environment;
  /** One line for people: which backend was chosen, and why. */
  readonly explanation: string;
  /**
   * Makes this the device on which tensors are computed from here on. A process computes on one device
   * at a time, so trainings on two devices in one process come one after the other.
   */
  readonly activate: () => Promise<void>;
  /**
   * The tensor's elements in host memory, owned by the caller. Borrows the tensor.
   *
   * `reuse` is memory that may be overwritten and given back as the result: fresh memory costs several
   * times what the copy does. It is ignored where type or size differ.
   */
  readonly read: (tensor: Tensor, reuse?: HostTensor) => Promise<HostTensor>;
  /**
   * How many steps are worth dispatching before the results of an earlier one are read back. None unless
   * given: where a step is computed before its call returns, reading waits for nothing.
   */
  readonly stepsAhead?: number;
}

/** A backend that was asked for and is not to be had. */
export interface BackendUnavailable {
  readonly type: "BackendUnavailable";
  readonly backend: string;
  readonly reason: string;
}
