import { createHash, type Hash } from "node:crypto";
import type { Digest } from "../../core/digest.ts";
import { answerRequests, type Outcome } from "./thread.ts";

/** What the thread that digests is told: the text and then the bytes that a digest is over. */
export type DigestRequest =
  | { readonly type: "Begin"; readonly head: string }
  | {
    readonly type: "Go on";
    readonly memory: ArrayBuffer;
    /** How many of the first bytes of `memory` there are to digest. */
    readonly bytes: number;
  }
  | { readonly type: "End" };

/** What it answers: memory that it was sent, and at the end the digest. */
export interface DigestAnswer {
  readonly memory?: ArrayBuffer;
  readonly digest?: Digest;
}

let hash: Hash = createHash("sha256");

answerRequests<DigestRequest, DigestAnswer>((request) => Promise.resolve(outcomeOf(request)));

function outcomeOf(request: DigestRequest): Outcome<DigestAnswer> {
  switch (request.type) {
    case "Begin":
      hash = createHash("sha256").update(request.head);
      return { answer: {}, transfer: [] };
    case "Go on": {
      const { memory, bytes } = request;
      hash.update(new Uint8Array(memory, 0, bytes));
      return { answer: { memory }, transfer: [memory] };
    }
    case "End":
      return { answer: { digest: hash.digest("hex") }, transfer: [] };
  }
}
