/** What computes a step: the same numbers can be expected only where all of this is the same. */
export interface Environment {
  /** tfjs backend: "webgpu", "wasm" or "cpu". */
  readonly backend: string;
  /** What the backend runs on: the GPU adapter's description, or the instruction set in use. */
  readonly adapter: string;
  /** Version of tfjs, such as "4.22.0". */
  readonly tfjs: string;
  /** Runtime and version, such as "deno 2.9.6 (v8 15.0.245.2)". */
  readonly runtime: string;
  /** Processor architecture and operating system, such as "x86_64-linux". */
  readonly platform: string;
  /**
   * What the backend's kernels compute, by their names: digests of 16 hexadecimal digits of the bits that
   * a short self-test gave. Not in logs from before there was one.
   */
  readonly kernels?: Readonly<Record<string, string>>;
}

/** One member in which two environments differ. */
export interface EnvironmentChange {
  readonly member: keyof Environment;
  /** Which one, where the member is `kernels`; each has a change of its own. */
  readonly kernel?: string;
  readonly recorded: string;
  readonly current: string;
}

/** What stands for the digest of a kernel that is recorded and is not here. */
const MISSING = "missing";

/**
 * The members in which two environments differ, in sorted order, then the kernels; none means the same
 * bits can be expected. Kernels are compared that the recorded environment has: another one, which was
 * added since, is no change.
 */
export function environmentChanges(
  recorded: Environment,
  current: Environment,
): readonly EnvironmentChange[] {
  const members = ["adapter", "backend", "platform", "runtime", "tfjs"] as const;
  return [
    ...members
      .filter((member) => recorded[member] !== current[member])
      .map((member) => ({ member, recorded: recorded[member], current: current[member] })),
    ...kernelChanges(recorded.kernels ?? {}, current.kernels ?? {}),
  ];
}

type Kernels = NonNullable<Environment["kernels"]>;

function kernelChanges(recorded: Kernels, current: Kernels): readonly EnvironmentChange[] {
  return Object.keys(recorded).sort()
    .map((kernel) => ({
      member: "kernels" as const,
      kernel,
      recorded: recorded[kernel]!,
      current: Object.hasOwn(current, kernel) ? current[kernel]! : MISSING,
    }))
    .filter((change) => change.recorded !== change.current);
}
