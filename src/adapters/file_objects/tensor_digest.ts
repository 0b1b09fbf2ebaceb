import { tensorDigest, tensorHead } from "../../codec/snapshot_codec.ts";
import type { Digest } from "../../core/digest.ts";
import { bytesOf, type HostTensor } from "../../core/host_tensor.ts";
import type { DigestAnswer, DigestRequest } from "./digest_worker.ts";
import { thread } from "./thread.ts";

/** Copied to the other thread at once; a tensor of one chunk is sooner digested than sent. */
const CHUNK = 2 ** 20;
/** Chunks that are on their way, so that neither thread waits for the other. */
const AHEAD = 4;

const digesting = thread<DigestRequest, DigestAnswer>(
  new URL("./digest_worker.ts", import.meta.url),
  "digests tensors",
);

/**
 * The digest of a tensor, a large one's computed on another thread: SHA-256 is most of what storing a
 * snapshot costs where the processor has no instructions for it. Borrows the tensor.
 *
 * Call it for one tensor at a time: the thread has one digest under way.
 */
export async function digestTensor(tensor: HostTensor): Promise<Digest> {
  const bytes = bytesOf(tensor);
  if (bytes.length <= CHUNK) return tensorDigest(tensor);
  digesting.ask({ type: "Begin", head: tensorHead(tensor) }, []);
  const sent: Promise<DigestAnswer>[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const chunk = bytes.subarray(at, at + CHUNK);
    const memory = sent.length < AHEAD ? new ArrayBuffer(CHUNK) : (await sent.shift()!).memory!;
    new Uint8Array(memory).set(chunk);
    const request: DigestRequest = { type: "Go on", memory, bytes: chunk.length };
    sent.push(digesting.ask(request, [memory]));
  }
  return (await digesting.ask({ type: "End" }, [])).digest!;
}
