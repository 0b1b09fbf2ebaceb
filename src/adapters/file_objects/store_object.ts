import { sha256 } from "../../codec/digest.ts";
import type { Digest } from "../../core/digest.ts";
import { confirmName, writeAll } from "../files/durable_file.ts";
import { objectName, readPlain } from "./object_file.ts";
import { temporaryFile } from "../files/temporary_file.ts";

/** Stores bytes as a plain object of a store whose lock is held, and resolves when it is durable. */
export async function storeObject(root: string, bytes: Uint8Array): Promise<Digest> {
  const digest = sha256(bytes);
  const size = { least: bytes.length, most: bytes.length };
  if ((await readPlain(root, digest, size)).type === "Object") {
    await confirmName(`${root}/${objectName(digest)}`);
    return digest;
  }
  const temporary = await temporaryFile(root);
  try {
    await writeAll(temporary.file, bytes);
    await temporary.publish(objectName(digest));
  } catch (error) {
    await temporary.discard();
    throw error;
  }
  return digest;
}
