import * as E from "fp-ts/Either.js";
import { type Backend, BACKENDS } from "../adapters/device/backend_choice.ts";
import { findGpuAdapter, openDevice } from "../adapters/device/tfjs_backend.ts";
import { checkDevice } from "../app/training/check_device.ts";
import { selfTest } from "../app/self_test.ts";
import { kernelSetDigest } from "../codec/kernel_set_digest.ts";
import { comparedWith, isExact } from "../core/self_test_report.ts";
import type { Device } from "../ports/device.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { orExit, printJson } from "./context.ts";
import { mayStartProcesses, processCount, selfTestsOfFreshProcesses } from "./fresh_processes.ts";
import { selfTestText, type Tested } from "./self_test_text.ts";
import { table } from "./table.ts";

/** A backend as it is found here. */
interface Finding {
  readonly backend: Backend;
  readonly works: boolean;
  /** Undefined where it could not be started. */
  readonly device: Device | undefined;
  readonly note: string;
}

/** Finds the backends that work here, says which one `auto` takes, and whether their kernels are exact. */
export async function run(args: ArgumentsOf<"doctor">): Promise<number> {
  if (args.selfTest !== undefined) return await printSelfTest(args.selfTest);
  const adapter = await findGpuAdapter();
  const auto = adapter !== undefined && !adapter.software ? "webgpu" : "wasm";
  const runtime = { deno: Deno.version.deno, v8: Deno.version.v8, platform: Deno.build.target };
  const asked = args.backend === undefined ? BACKENDS : [args.backend];
  const findings: Finding[] = [];
  for (const backend of asked) findings.push(await findingOf(backend));
  if (!args.json) {
    console.log(`deno ${runtime.deno}, v8 ${runtime.v8}, ${runtime.platform}`);
    console.log(backendTable(findings));
    console.log(`--backend auto takes ${auto}`);
  }

  const freshProcesses = mayStartProcesses() ? processCount() : 0;
  const tested = new Map<Backend, Tested>();
  for (const { backend, device } of findings) {
    if (device !== undefined) tested.set(backend, await testedOf(backend, device, freshProcesses));
  }
  if (args.json) {
    const backends = findings.map((finding) => rowOf(finding, tested.get(finding.backend)));
    printJson({ ...runtime, auto, freshProcesses, backends });
  } else console.log(`\n${selfTestText([...tested.values()], freshProcesses)}`);

  const exact = [...tested.values()].every(({ report, note }) => isExact(report) && note === "");
  return exact && findings.some(({ works }) => works) ? 0 : 1;
}

/** What a fresh process is asked for: one round, printed for the process that compares. */
async function printSelfTest(backend: Backend): Promise<number> {
  const report = await selfTest(await orExit(openDevice(backend)), { rounds: 1 });
  printJson(report);
  return isExact(report) ? 0 : 1;
}

async function findingOf(backend: Backend): Promise<Finding> {
  const device = await openDevice(backend)();
  return E.isLeft(device)
    ? { backend, works: false, device: undefined, note: device.left.reason }
    : { backend, works: await checkDevice(device.right), device: device.right, note: "" };
}

/** Tests a backend in this process, and beside it in so many fresh ones. */
async function testedOf(backend: Backend, device: Device, processes: number): Promise<Tested> {
  const [report, fresh] = await Promise.all([
    selfTest(device),
    selfTestsOfFreshProcesses(backend, processes),
  ]);
  return E.isLeft(fresh)
    ? { report, note: fresh.left }
    : { report: comparedWith(report, fresh.right), note: "" };
}

function backendTable(findings: readonly Finding[]): string {
  return table(
    ["BACKEND", "WORKS", "ADAPTER", "KERNELS", ""],
    findings.map(({ backend, works, device, note }) => [
      backend,
      works ? "yes" : "no",
      device?.environment.adapter ?? "-",
      (device && kernelSetDigest(device.environment)?.slice(0, 16)) ?? "-",
      note,
    ]),
  );
}

/** All that is known of a backend, for programs. */
function rowOf({ backend, works, device, note }: Finding, tested: Tested | undefined) {
  return {
    ...{ backend, works, adapter: device?.environment.adapter ?? null },
    ...{ kernels: device?.environment.kernels ?? null },
    ...{ note: tested?.note ?? note, selfTest: tested?.report ?? null },
  };
}
