/** Thrown where a device has no memory for another tensor. Sizes are in bytes. */
export class DeviceMemoryError extends Error {
  /** The backend whose memory it is. */
  readonly device: string;
  /** What was asked for. */
  readonly asked: number;
  /** What tensors took then. */
  readonly used: number;
  /** All that the device can have. */
  readonly limit: number;

  constructor(device: string, { asked, used, limit }: {
    readonly asked: number;
    readonly used: number;
    readonly limit: number;
  }) {
    super(
      `Expected ${asked} bytes of the memory of ${device} for a tensor, found ${used} of its ` +
        `${limit} bytes taken`,
    );
    this.name = "DeviceMemoryError";
    this.device = device;
    this.asked = asked;
    this.used = used;
    this.limit = limit;
  }
}
