import { parentPort, Worker } from "node:worker_threads";

/** Another thread of this process, which answers requests in the order in which they are made. */
export interface Thread<Request, Answer> {
  /**
   * Resolves to the answer, or rejects with what the thread threw. The memory in `transfer` goes over.
   * Send an ArrayBuffer, or a typed array within a Map: Deno looks at each element of other ones.
   *
   * A thread that ends without an answer rejects with BrokenPipe; the next request begins a new one.
   */
  readonly ask: (request: Request, transfer: readonly ArrayBuffer[]) => Promise<Answer>;
}

/** What a thread makes of a request: its answer, and the memory that goes with it. */
export interface Outcome<Answer> {
  readonly answer: Answer;
  readonly transfer: readonly ArrayBuffer[];
}

/**
 * The thread whose module is at `url`, begun with the first request.
 *
 * It keeps the process from ending only while it has something to do.
 */
export function thread<Request, Answer>(url: URL, name: string): Thread<Request, Answer> {
  let running: Running<Answer> | undefined;
  return {
    ask: (request, transfer) => {
      if (running === undefined || running.hasEnded()) running = begin<Answer>(url, name);
      return running.ask(request, transfer);
    },
  };
}

/** Answers what the thread that began this one asks, one request after the other. */
export function answerRequests<Request, Answer>(
  work: (request: Request) => Promise<Outcome<Answer>>,
): void {
  let last: Promise<void> = Promise.resolve();
  parentPort!.on("message", (request: Request) => {
    last = last.then(async () => {
      try {
        const { answer, transfer } = await work(request);
        parentPort!.postMessage({ answer }, [...transfer]);
      } catch (error) {
        parentPort!.postMessage({ error });
      }
    });
  });
}

interface Running<Answer> {
  readonly hasEnded: () => boolean;
  readonly ask: (request: unknown, transfer: readonly ArrayBuffer[]) => Promise<Answer>;
}

type Reply<Answer> = { readonly answer: Answer } | { readonly error: unknown };

function begin<Answer>(url: URL, name: string): Running<Answer> {
  const worker = new Worker(wherever(url));
  let ended = false;
  const waiting: PromiseWithResolvers<Answer>[] = [];
  const settle = (reply: Reply<Answer>) => {
    const asked = waiting.shift();
    if ("error" in reply) asked?.reject(reply.error);
    else asked?.resolve(reply.answer);
    if (waiting.length === 0) worker.unref();
  };
  const end = (reason: string) => {
    ended = true;
    const error = new Deno.errors.BrokenPipe(`the thread that ${name} has ended: ${reason}`);
    while (waiting.length > 0) settle({ error });
  };
  worker.on("message", settle);
  worker.on("error", (error: Error) => end(error.message));
  worker.on("exit", (code: number) => end(`exit code ${code}`));
  worker.unref();
  return {
    hasEnded: () => ended,
    ask: (request, transfer) => {
      const asked = Promise.withResolvers<Answer>();
      asked.promise.catch(() => undefined); // whoever awaits it is told; not everyone does
      waiting.push(asked); // before the message goes: the thread may end meanwhile
      worker.ref();
      try {
        worker.postMessage(request, [...transfer]);
      } catch (error) {
        waiting.splice(waiting.indexOf(asked), 1);
        if (waiting.length === 0) worker.unref();
        throw error;
      }
      return asked.promise;
    },
  };
}

/** Deno begins a thread from a file or from data only; data can import what was itself downloaded. */
function wherever(url: URL): URL {
  const text = `import ${JSON.stringify(url.href)};`;
  return url.protocol === "https:"
    ? new URL(`data:text/javascript,${encodeURIComponent(text)}`)
    : url;
}
