/** Type of the elements of a buffer. */
export type ElementType = "f32" | "vec4f" | "i32" | "u32" | "vec2u" | "vec4u";

/**
 * A computation in WGSL, with any number of results.
 *
 * `source` declares `fn kernel(group: u32, local: u32)`, which each invocation of each workgroup calls
 * with the number of its group and its own within the group. It finds the tensors of `reads` and
 * `writes` as arrays under their names, and the numbers of `uniforms` as members of `u`. Each of them
 * must be used.
 */
export interface Program {
  /** Tells it from all others: what is compiled in is part of it. */
  readonly name: string;
  readonly reads: Readonly<Record<string, ElementType>>;
  readonly writes: Readonly<Record<string, ElementType>>;
  readonly uniforms: Readonly<Record<string, "u32" | "f32">>;
  /** Invocations of a workgroup. */
  readonly invocations: number;
  readonly source: string;
}

/** The whole text of a program: its bindings in order of their names' mention, and its entry point. */
export function textOf({ reads, writes, uniforms, invocations, source }: Program): string {
  const tensors = [
    ...Object.entries(reads).map(([name, type]) => `<storage, read> ${name}: array<${type}>;`),
    ...Object.entries(writes).map(([name, type]) =>
      `<storage, read_write> ${name}: array<${type}>;`
    ),
  ];
  const members = Object.entries({ groups: "u32", ...uniforms });
  return `
struct Uniforms { ${members.map(([name, type]) => `${name}: ${type}`).join(", ")} }
${tensors.map((tensor, i) => `@group(0) @binding(${i}) var${tensor}`).join("\n")}
@group(0) @binding(${tensors.length}) var<uniform> u: Uniforms;
${source}
@compute @workgroup_size(${invocations})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let group = workgroup.y * workgroups.x + workgroup.x;
  if (group < u.groups) { kernel(group, local); }
}`;
}
