import type { BackendChoice } from "../adapters/device/backend_choice.ts";
import { openDevice } from "../adapters/device/tfjs_backend.ts";
import type { RunState } from "../core/run_state.ts";
import type { Device } from "../ports/device.ts";
import { orExit } from "./context.ts";

/**
 * Opens the device for a run and says which it is: the backend that was asked for, else the one that
 * the run was computed on, else the best that is here.
 */
export async function openDeviceFor(
  asked: BackendChoice | undefined,
  state: RunState | undefined,
  say: (line: string) => void,
): Promise<Device> {
  const recorded = state?.environment?.backend as BackendChoice | undefined;
  const choice = asked === undefined || asked === "auto" ? recorded ?? "auto" : asked;
  const device = await orExit(openDevice(choice));
  const { explanation } = device;
  const same = recorded !== undefined && choice === recorded;
  say(`backend: ${same ? explanation.replace("as asked", "as the run recorded") : explanation}`);
  return device;
}
