import type { SafetensorsLayout } from "../../codec/safetensors.ts";
import type { Digest } from "../../core/digest.ts";
import type { FileRef } from "../../core/snapshot.ts";
import { deltaBase, writeCompressed } from "./compressed_file.ts";
import type { Compression } from "./compression.ts";
import { confirmName, writeAll } from "../files/durable_file.ts";
import { blocksOf, digestBlocks } from "./file_blocks.ts";
import { makeWay } from "../files/make_way.ts";
import { removeIfThere } from "../files/remove_if_there.ts";
import {
  compressedName,
  type FoundHeader,
  type FoundObject,
  objectName,
  readHeader,
  readObject,
} from "./object_file.ts";
import { type TemporaryFile, temporaryFile } from "../files/temporary_file.ts";
import { digestTensor } from "./tensor_digest.ts";

/** What is known of a group before it is stored. */
export interface GroupHints {
  readonly compress: Compression;
  /** The group's file in the snapshot of this run that was stored before. */
  readonly before?: FileRef;
  /** The digest that a tensor had in that snapshot. */
  readonly digestBefore: (tensor: string) => Digest | undefined;
}

/** A group that is in the store once `durable` resolves. */
export interface StoredGroup {
  readonly ref: FileRef;
  readonly leaves: readonly (readonly [tensor: string, digest: Digest])[];
  readonly durable: Promise<void>;
}

/**
 * Stores the file of a group, unless the store has it already, readable. Borrows the tensors until the
 * group is durable.
 *
 * An object's name is known only when all of it has been digested. A group that has changed is written
 * meanwhile; one that may be there already is digested first, so that what did not change is never
 * written.
 */
export async function storeGroup(
  root: string,
  layout: SafetensorsLayout,
  hints: GroupHints,
): Promise<StoredGroup> {
  return hints.compress === "none" && await hasChanged(layout, hints)
    ? await writeWhileDigesting(root, layout)
    : await digestThenWrite(root, layout, hints);
}

async function writeWhileDigesting(root: string, layout: SafetensorsLayout): Promise<StoredGroup> {
  const temporary = await temporaryFile(root);
  try {
    const write = (block: Uint8Array) => writeAll(temporary.file, block);
    const digested = await digest(layout, write);
    const durable = await isStored(root, digested.ref)
      ? temporary.discard()
      : publish(root, digested.ref, temporary, "none");
    return { ...digested, durable };
  } catch (error) {
    await temporary.discard();
    throw error;
  }
}

async function digestThenWrite(
  root: string,
  layout: SafetensorsLayout,
  hints: GroupHints,
): Promise<StoredGroup> {
  const digested = await digest(layout);
  const durable = await isStored(root, digested.ref)
    ? Promise.resolve()
    : write(root, layout, digested.ref, hints);
  return { ...digested, durable };
}

async function write(
  root: string,
  layout: SafetensorsLayout,
  ref: FileRef,
  { compress, before }: GroupHints,
): Promise<void> {
  const temporary = await temporaryFile(root);
  try {
    if (compress === "none") {
      for (const block of blocksOf(layout)) await writeAll(temporary.file, block);
    } else {
      const base = compress === "zstd-delta" && before?.bytes === ref.bytes
        ? await deltaBase(root, before)
        : undefined;
      await writeCompressed(temporary.file, layout, base);
    }
  } catch (error) {
    await temporary.discard();
    throw error;
  }
  await publish(root, ref, temporary, compress);
}

/** Gives the file its name. The object's other form goes, if it is there: it was found unreadable. */
async function publish(
  root: string,
  { digest }: FileRef,
  temporary: TemporaryFile,
  compress: Compression,
): Promise<void> {
  const plain = objectName(digest);
  const compressed = compressedName(digest);
  try {
    await temporary.publish(compress === "none" ? plain : compressed);
  } catch (error) {
    await temporary.discard();
    throw error;
  }
  const other = `${root}/${compress === "none" ? compressed : plain}`;
  await makeWay(other, "isFile");
  await removeIfThere(other);
}

/** Whether the store has the object, readable, and for good; one of a newer format is not replaced. */
async function isStored(root: string, { digest, bytes }: FileRef): Promise<boolean> {
  const found = await readObject(root, digest, bytes);
  if (found.type !== "Object") {
    refuseNewer(found);
    refuseNewer(await readHeader(root, digest)); // beside a plain one that is damaged
    return false;
  }
  await confirmName(`${root}/${objectName(digest)}`);
  return true;
}

function refuseNewer(object: FoundObject | FoundHeader): void {
  if (object.type !== "Newer") return;
  const { place, found, known } = object;
  throw new Deno.errors.NotSupported(
    `${place} was written by a newer foldlog: compressed format ${found}, this one knows up to ` +
      `${known}; update foldlog to read it`,
  );
}

/** Digests the file and its tensors on two threads. */
async function digest(
  layout: SafetensorsLayout,
  write?: (block: Uint8Array) => Promise<void>,
): Promise<Omit<StoredGroup, "durable">> {
  const [file, leaves] = await Promise.allSettled([
    digestBlocks(layout, write),
    digestLeaves(layout),
  ]); // also where one fails: the other goes on using its thread
  if (file.status === "rejected") throw file.reason;
  if (leaves.status === "rejected") throw leaves.reason;
  return { ref: { digest: file.value, bytes: layout.bytes }, leaves: leaves.value };
}

async function digestLeaves({ tensors }: SafetensorsLayout): Promise<StoredGroup["leaves"]> {
  const leaves: (readonly [string, Digest])[] = [];
  for (const [name, tensor] of tensors) leaves.push([name, await digestTensor(tensor)]);
  return leaves;
}

/** Whether the group surely differs from the one before, by the look of its smallest tensor. */
async function hasChanged(
  { tensors }: SafetensorsLayout,
  { digestBefore }: GroupHints,
): Promise<boolean> {
  const [smallest] = tensors.filter(([, { data }]) => data.length > 0)
    .sort(([, a], [, b]) => a.data.length - b.data.length);
  if (smallest === undefined) return false;
  const [name, tensor] = smallest;
  const before = digestBefore(name);
  return before !== undefined && before !== await digestTensor(tensor);
}
