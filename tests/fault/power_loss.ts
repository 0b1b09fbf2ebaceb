import { makeDisk, mountDisk } from "./mounts.ts";
import type { OperationName } from "./operations.ts";
import type { Group } from "./sites.ts";
import { rowStruck, SEED } from "./strike.ts";
import { command } from "./workbench.ts";
import { runTraced } from "./traced.ts";
import type { Trial } from "./trial.ts";
import type { Workbench } from "./workbench.ts";

/**
 * Loses the power at a system call: the process is killed there, and what its disk, an ext4 file
 * system, has been given by then is all that is left.
 */
export async function losePower(
  bench: Workbench,
  operation: OperationName,
  group: Group,
  nth: number,
): Promise<Trial> {
  const image = await Deno.makeTempFile({ dir: bench.directory, prefix: "disk-" });
  const disk = await makeDisk(image);
  const root = `${disk.directory}/runs`;
  await bench.lay(operation, root);
  await command("sync", "-f", disk.directory);
  const target = { variant: group.variant, path: `${root}/${group.path}`, nth };
  const injection = { kind: "kill" } as const;
  const traced = await runTraced(root, operation, { seed: SEED }, { target, injection });
  await disk.copy(`${image}-lost`);
  await disk.unmount();
  const lost = await mountDisk(`${image}-lost`);
  const left = `${lost.directory}/runs`;
  const verdict = await bench.judge(left, operation, traced, false);
  await lost.unmount();
  await Deno.remove(image);
  await Deno.remove(`${image}-lost`);
  const { row, where, struck } = rowStruck(group, traced);
  const what = `${operation}: power lost at ${where}`;
  return { row, column: "power loss", means: "ext4", what, verdict, struck };
}
