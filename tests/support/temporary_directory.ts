/** Runs `work` in a directory of its own, which is removed after it. */
export async function inTemporaryDirectory<A>(
  work: (directory: string) => Promise<A>,
): Promise<A> {
  const directory = await Deno.makeTempDir();
  try {
    return await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
