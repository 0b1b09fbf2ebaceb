import * as E from "fp-ts/Either.js";
import { BACKENDS } from "../adapters/backend_choice.ts";
import { findGpuAdapter, openDevice } from "../adapters/tfjs_backend.ts";
import { checkDevice } from "../app/check_device.ts";
import type { ArgumentsOf } from "./command_line.ts";
import { printJson } from "./context.ts";
import { table } from "./table.ts";

/** Finds the backends that work here and says which one `auto` takes. */
export async function run(args: ArgumentsOf<"doctor">): Promise<number> {
  const backends = [];
  for (const backend of BACKENDS) {
    const device = await openDevice(backend)();
    backends.push(
      E.isLeft(device) ? { backend, works: false, adapter: null, note: device.left.reason } : {
        backend,
        works: await checkDevice(device.right),
        adapter: device.right.environment.adapter,
        note: "",
      },
    );
  }
  const adapter = await findGpuAdapter();
  const auto = adapter !== undefined && !adapter.software ? "webgpu" : "wasm";
  const runtime = { deno: Deno.version.deno, v8: Deno.version.v8, platform: Deno.build.target };
  if (args.json) printJson({ ...runtime, auto, backends });
  else {
    console.log(`deno ${runtime.deno}, v8 ${runtime.v8}, ${runtime.platform}`);
    console.log(table(
      ["BACKEND", "WORKS", "ADAPTER", ""],
      backends.map(({ backend, works, adapter, note }) => [
        backend,
        works ? "yes" : "no",
        adapter ?? "-",
        note,
      ]),
    ));
    console.log(`--backend auto takes ${auto}`);
  }
  return backends.some(({ works }) => works) ? 0 : 1;
}
