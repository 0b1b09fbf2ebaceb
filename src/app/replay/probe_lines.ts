import { canonicalJson } from "../../codec/canonical_json.ts";
import { encodeNumber, encodeNumbers } from "../../codec/float_codec.ts";
import type { Digest } from "../../core/digest.ts";
import type { Environment } from "../../core/environment.ts";
import type { Json } from "../../core/json.ts";
import type { Device } from "../../ports/device.ts";
import { release } from "../../train/ownership.ts";
import type { ProbeValues } from "../../train/probe.ts";
import { isTensor, type Tensor, type Tree } from "../../train/tree.ts";
import { placeAt } from "./place_in_run.ts";
import type { Recomputation } from "./reach_state.ts";
import type { RecordedRun } from "../reading/read_run.ts";

/** The version of these lines that is written; docs/format.md has the rule. */
const FORMAT = 1;

/** How a projection proves that what it is of is the recorded training. */
export interface ProbeProof extends Recomputation {
  /** The last step whose state itself was compared: of a snapshot, by digest, or of a fingerprint. */
  readonly state: number;
  readonly verdict: "equal";
}

/** What a projection is of. */
export interface ProbeHeader {
  readonly from: number;
  readonly to: number;
  readonly environment: Environment;
  readonly about: { readonly name?: string; readonly source?: Digest };
}

/** The first line: the steps of which run, by the chain of its log up to there, and of which probe. */
export function headerLine(
  recorded: RecordedRun,
  { from, to, environment, about }: ProbeHeader,
): string {
  const { position, history, state } = placeAt(recorded, to);
  return canonicalJson(encodeNumbers({
    format: FORMAT,
    run: recorded.run,
    task: state.task,
    envelope: recorded.events[position - 1]!.digest,
    history,
    from,
    to,
    environment,
    probe: about,
  }));
}

/** The line of a step. Throws a TypeError for values that canonical JSON cannot have. */
export function stepLine(step: number, values: Json): string {
  return canonicalJson({ step, values });
}

/** The last line. */
export function proofLine(proof: ProbeProof): string {
  return canonicalJson({ proof: { ...proof } });
}

/** What a probe found, as JSON: a tensor is `{ shape, values }`. Takes over its tensors and frees them. */
export async function readValues(device: Device, values: ProbeValues): Promise<Json> {
  const tensors = tensorsIn(values);
  const reads = await Promise.allSettled(tensors.map((tensor) => device.read(tensor)));
  tensors.forEach((tensor) => release(tensor));
  const found = new Map(tensors.map((tensor, i) => {
    const read = reads[i]!;
    if (read.status === "rejected") throw read.reason;
    const { shape, data } = read.value;
    return [tensor, { shape: [...shape], values: Array.from(data, encodeNumber) }];
  }));
  return jsonOf(values, found);
}

function tensorsIn(values: ProbeValues): readonly Tensor[] {
  if (typeof values === "number") return [];
  if (isTensor(values as Tree)) return [values as Tensor];
  return Object.values(values).flatMap(tensorsIn);
}

function jsonOf(values: ProbeValues, found: ReadonlyMap<unknown, Json>): Json {
  if (typeof values === "number") return encodeNumber(values);
  const tensor = found.get(values);
  if (tensor !== undefined) return tensor;
  if (Array.isArray(values)) return values.map((value) => jsonOf(value, found));
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, jsonOf(value, found)]),
  );
}
