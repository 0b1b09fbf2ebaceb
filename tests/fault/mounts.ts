import { basename } from "node:path";
import { command, readSystemFile } from "./workbench.ts";

/** A file system of its own, mounted at a directory. */
export interface Mount {
  readonly directory: string;
  readonly unmount: () => Promise<void>;
}

/** An ext4 file system on a loop device, on a file that is the disk. */
export interface Disk extends Mount {
  /** Copies the disk as it is at one moment: no write comes in between. */
  readonly copy: (image: string) => Promise<void>;
}

/** Bytes of a disk: small, so that it is quickly copied. */
const DISK_BYTES = 16 * 2 ** 20;

/**
 * A new disk in the file `image`, with nothing on it. Nothing that is not synced is written to it for as
 * long as a test takes: no commit of the journal comes by itself.
 */
export async function makeDisk(image: string): Promise<Disk> {
  await Deno.writeFile(image, new Uint8Array());
  await Deno.truncate(image, DISK_BYTES);
  await command("mkfs.ext4", "-q", "-F", "-m", "0", image);
  return await mountDisk(image);
}

/** Mounts a disk; ext4 first repeats what is in its journal, as after any power loss. */
export async function mountDisk(image: string): Promise<Disk> {
  const directory = `${image}.mounted`;
  await Deno.mkdir(directory);
  await command("mount", "-t", "ext4", "-o", "loop,noatime,commit=3600", image, directory);
  const device = await command("findmnt", "-n", "-o", "SOURCE", directory);
  const counters = `/sys/block/${basename(device.trim())}/stat`;
  return {
    directory,
    unmount: () => unmount(directory),
    copy: (copy) => copyAtOnce(image, copy, counters),
  };
}

/** A file system in memory with so much room and no more. */
export async function mountMemory(directory: string, room: string): Promise<Mount> {
  await Deno.mkdir(directory);
  await command("mount", "-t", "tmpfs", "-o", room, "tmpfs", directory);
  return { directory, unmount: () => unmount(directory) };
}

/** Makes room in a file system in memory. */
export async function makeRoom({ directory }: Mount): Promise<void> {
  await command("mount", "-o", "remount,size=64m,nr_inodes=10000", directory);
}

/** Why no file system can be mounted here, if none can. */
export async function whyNoMount(directory: string): Promise<string | undefined> {
  try {
    await (await mountMemory(`${directory}/memory`, "size=4k")).unmount();
    await (await makeDisk(`${directory}/disk`)).unmount();
    await Deno.remove(`${directory}/disk`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim().split("\n")[0] : String(error);
  }
}

async function unmount(directory: string): Promise<void> {
  await command("umount", directory);
  await Deno.remove(directory);
}

async function copyAtOnce(image: string, copy: string, counters: string): Promise<void> {
  for (;;) {
    const before = await readSystemFile(counters);
    await command("cp", "--sparse=always", image, copy);
    if (await readSystemFile(counters) === before) return;
  }
}
