import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { Digest } from "../core/digest.ts";
import type { RunState } from "../core/run_state.ts";
import { apart } from "./apart.ts";
import { isCanonicalJson, parseJson } from "./canonical_json.ts";
import { count, decode, digest, object } from "./decoders.ts";
import { sha256 } from "./digest.ts";
import { writeString } from "./json_writer.ts";
import { decodeRunState, runStateText } from "./run_state_codec.ts";

/** 2: the state has the average of the training losses. */
const FORMAT = 2;

/** A folded state, and the line of the log that holds the last event of the fold. */
export interface StateCache {
  /** Name of the segment that holds the line. */
  readonly segment: string;
  /** Where the line begins in the segment, in bytes. */
  readonly start: number;
  /** Where the next line begins. */
  readonly end: number;
  /** Digest of the line's envelope. */
  readonly last: Digest;
  readonly state: RunState;
}

const members = object({
  format: t.literal(FORMAT),
  segment: t.string,
  start: count,
  end: count,
  last: digest,
  state: t.unknown,
  digest,
});

/** The text of `state.json`: canonical JSON, see docs/format.md. */
export function encodeStateCache({ segment, start, end, last, state }: StateCache): string {
  const body = `{"end":${end},"format":${FORMAT},"last":"${last}",` +
    `"segment":${writeString(segment)},"start":${start},"state":${runStateText(state)}}`;
  return `{"digest":"${sha256(body)}",${body.slice(1)}`;
}

/** The cache whose text this is, or one line that says what is wrong with it. */
export function decodeStateCache(text: string): E.Either<string, StateCache> {
  const json = parseJson(text);
  if (E.isLeft(json)) return E.left(`not JSON: ${json.left.reason}`);
  if (!isCanonicalJson(text, json.right)) {
    return E.left("expected canonical JSON, found another form");
  }
  const outer = decode(members, json.right);
  if (E.isLeft(outer)) return outer;
  const { segment, start, end, last, digest: claimed } = outer.right;
  const actual = sha256(`{${text.slice(DIGEST_MEMBER)}`);
  if (claimed !== actual) {
    const [expected, found] = apart(actual, claimed);
    return E.left(`expected digest ${expected}, found ${found}`);
  }
  const state = decodeRunState(outer.right.state);
  return E.isLeft(state) ? state : E.right({ segment, start, end, last, state: state.right });
}

/** Where the next member begins: "digest" sorts before the others. */
const DIGEST_MEMBER = `{"digest":"${"0".repeat(64)}",`.length;
