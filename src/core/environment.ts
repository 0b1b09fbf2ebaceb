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
}

/** One member in which two environments differ. */
export interface EnvironmentChange {
  readonly member: keyof Environment;
  readonly recorded: string;
  readonly current: string;
}

/** The members in which two environments differ, in sorted order; none means the same bits can be expected. */
export function environmentChanges(
  recorded: Environment,
  current: Environment,
): readonly EnvironmentChange[] {
  const members = ["adapter", "backend", "platform", "runtime", "tfjs"] as const;
  return members
    .filter((member) => recorded[member] !== current[member])
    .map((member) => ({ member, recorded: recorded[member], current: current[member] }));
}
