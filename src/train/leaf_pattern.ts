/**
 * Which leaves are meant, by their paths such as "h.0.attn.c_attn.weight": a whole path in which `*` stands
 * for any text, dots included (`"h.*.attn.*"`, `"*.bias"`), or an expression that is found somewhere in it.
 */
export type LeafPattern = string | RegExp;

/** Whether a path is one that a pattern means. */
export function matchesPath(pattern: LeafPattern, path: string): boolean {
  // `search` and not `test`: that of a global expression would begin where its last call ended.
  return path.search(typeof pattern === "string" ? globOf(pattern) : pattern) >= 0;
}

function globOf(text: string): RegExp {
  const parts = text.split("*").map((part) => part.replace(/[\\^$.*+?()[\]{}|\/-]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s");
}
