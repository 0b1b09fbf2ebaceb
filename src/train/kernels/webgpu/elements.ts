/**
 * How a program goes through lines of `length` elements: four at a time, of type `vec4f`, where each line
 * begins at a multiple of four, else one by one. Loads are what most programs spend their time with.
 */
export function elementsOf(length: number): Elements {
  return length % 4 === 0 ? FOURS : ONES;
}

/** The type that a program is compiled for. In its source, `T` is the type. */
export interface Elements {
  readonly type: "vec4f" | "f32";
  /** The type of their bits, which is that of `Columns`. */
  readonly word: "vec4u" | "u32";
  /** Elements in one of them. */
  readonly width: 4 | 1;
  /**
   * Declares `T`; `across`, the sum of its elements, and `highest`, the greatest of them; `columns`, their
   * places in a line, of type `Columns`, and `Mask`, a truth for each.
   */
  readonly source: string;
}

const FOURS: Elements = {
  type: "vec4f",
  word: "vec4u",
  width: 4,
  source: `
alias T = vec4f;
alias Columns = vec4u;
alias Mask = vec4<bool>;
fn across(x: T) -> f32 { return (x.x + x.y) + (x.z + x.w); }
fn highest(x: T) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }
fn columns(at: u32) -> Columns { return 4u * at + vec4u(0u, 1u, 2u, 3u); }
`,
};

const ONES: Elements = {
  type: "f32",
  word: "u32",
  width: 1,
  source: `
alias T = f32;
alias Columns = u32;
alias Mask = bool;
fn across(x: T) -> f32 { return x; }
fn highest(x: T) -> f32 { return x; }
fn columns(at: u32) -> Columns { return at; }
`,
};
