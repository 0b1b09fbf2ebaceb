import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import {
  KERNEL_VERDICTS,
  type KernelReport,
  type SelfTestReport,
} from "../core/self_test_report.ts";
import { parseJson } from "./canonical_json.ts";
import { decode, digest, literals, object } from "./decoders.ts";

const kernelReport: t.Decoder<unknown, KernelReport> = object({
  kernel: t.string,
  verdict: literals(...KERNEL_VERDICTS),
  digest,
  detail: t.string,
});

const selfTestReport: t.Decoder<unknown, SelfTestReport> = object({
  backend: t.string,
  digest,
  kernels: t.array(kernelReport as t.Type<KernelReport>),
});

/** The report that another process printed as JSON, or one line that says what is wrong with it. */
export function decodeSelfTest(text: string): E.Either<string, SelfTestReport> {
  const value = parseJson(text);
  return E.isLeft(value) ? E.left(value.left.reason) : decode(selfTestReport, value.right);
}
