import { sha256 } from "../../codec/digest.ts";
import type { Digest } from "../../core/digest.ts";
import { readRegular } from "../files/regular_file.ts";

/** Whether the file of a view has the bytes of an object: a link to it has, and a copy is read. */
export async function showsObject(
  path: string,
  file: Deno.FileInfo,
  object: Deno.FileInfo | undefined,
  digest: Digest,
): Promise<boolean> {
  if (object !== undefined && file.ino === object.ino && file.dev === object.dev) return true;
  const content = await readRegular(path, { least: 0, most: Infinity });
  return content.type === "Content" && sha256(content.bytes) === digest;
}
