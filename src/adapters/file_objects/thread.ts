import { parentPort, Worker } from "node:worker_threads";

/** Another thread of this process, which answers requests in the order in which they are made. */
export interface Thread<Request, Answer, Notice = never> {
  /**
   * Resolves to the answer, or rejects with what the thread threw. The memory in `transfer` goes over.
   * Send an ArrayBuffer, or a typed array within a Map: Deno looks at each element of other ones.
   *
   * A thread that ends without an answer rejects with BrokenPipe; the next request begins a new one.
   *
   * `told` gets the notices that the thread gives before its answer.
   */
  readonly ask: (
    request: Request,
    transfer: readonly ArrayBuffer[],
    told?: (notice: Notice) => void,
  ) => Promise<Answer>;
  /** Ends the thread, whatever it does: what it was asked rejects with BrokenPipe. */
  readonly end: () => Promise<void>;
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
export function thread<Request, Answer, Notice = never>(
  url: URL,
  name: string,
): Thread<Request, Answer, Notice> {
  let running: Running<Answer, Notice> | undefined;
  return {
    ask: (request, transfer, told) => {
      if (running === undefined || running.hasEnded()) running = begin<Answer, Notice>(url, name);
      return running.ask(request, transfer, told);
    },
    end: async () => await running?.end(),
  };
}

/** Answers what the thread that began this one asks, one request after the other. */
export function answerRequests<Request, Answer, Notice = never>(
  work: (request: Request, tell: (notice: Notice) => void) => Promise<Outcome<Answer>>,
): void {
  const tell = (notice: Notice) => parentPort!.postMessage({ notice });
  let last: Promise<void> = Promise.resolve();
  parentPort!.on("message", (request: Request) => {
    last = last.then(async () => {
      try {
        const { answer, transfer } = await work(request, tell);
        parentPort!.postMessage({ answer }, [...transfer]);
      } catch (error) {
        parentPort!.postMessage({ error });
      }
    });
  });
}

interface Running<Answer, Notice> {
  readonly hasEnded: () => boolean;
  readonly ask: (
    request: unknown,
    transfer: readonly ArrayBuffer[],
    told?: (notice: Notice) => void,
  ) => Promise<Answer>;
  readonly end: () => Promise<void>;
}

type Reply<Answer> = { readonly answer: Answer } | { readonly error: unknown };

/** A request that is not answered yet, and who is told of its notices. */
interface Asked<Answer, Notice> extends PromiseWithResolvers<Answer> {
  readonly told: ((notice: Notice) => void) | undefined;
}

function begin<Answer, Notice>(url: URL, name: string): Running<Answer, Notice> {
  const worker = new Worker(wherever(url));
  let ended = false;
  const waiting: Asked<Answer, Notice>[] = [];
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
  worker.on("message", (message: Reply<Answer> | { readonly notice: Notice }) => {
    if ("notice" in message) waiting[0]?.told?.(message.notice);
    else settle(message);
  });
  worker.on("error", (error: Error) => end(error.message));
  worker.on("exit", (code: number) => end(`exit code ${code}`));
  worker.unref();
  return {
    hasEnded: () => ended,
    end: async () => {
      await worker.terminate();
      end("it was ended");
    },
    ask: (request, transfer, told) => {
      const asked = { ...Promise.withResolvers<Answer>(), told };
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
