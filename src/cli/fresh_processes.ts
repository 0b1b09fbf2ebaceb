import * as E from "fp-ts/Either.js";
import type { Backend } from "../adapters/device/backend_choice.ts";
import { decodeSelfTest } from "../codec/self_test_codec.ts";
import type { SelfTestReport } from "../core/self_test_report.ts";

/** At most so many: each takes memory of its own, on a GPU too. */
const MOST = 5;

/** Whether this process may start others. */
export function mayStartProcesses(): boolean {
  const wanted = { name: "run", command: Deno.execPath() } as const;
  return Deno.permissions.querySync(wanted).state === "granted";
}

/** How many fresh processes compute at once: one more than there are processors, so that they compete. */
export function processCount(): number {
  return Math.min(navigator.hardwareConcurrency + 1, MOST);
}

/** What self-tests of a backend find in fresh processes that run at the same time; or why one could not say. */
export async function selfTestsOfFreshProcesses(
  backend: Backend,
  count: number,
): Promise<E.Either<string, readonly SelfTestReport[]>> {
  const found = await Promise.all(Array.from({ length: count }, () => selfTestOfChild(backend)));
  return E.sequenceArray(found);
}

async function selfTestOfChild(backend: Backend): Promise<E.Either<string, SelfTestReport>> {
  const main = new URL("./main.ts", import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-env", main],
      ...["doctor", "--self-test", backend],
    ],
  }).output();
  const said = new TextDecoder().decode(stdout);
  if (said !== "") return decodeSelfTest(said);
  const complaint = new TextDecoder().decode(stderr).trim();
  return E.left(`a fresh process ended with ${code}: ${complaint}`);
}
