import * as TE from "fp-ts/TaskEither.js";
import type { LogWriter, RunEvent, Store } from "foldlog";

/** Where a process dies: at the nth (from 0) append of events of a type, or as it stores what the event names. */
export interface DeathAt {
  readonly operation: "append" | "sources" | "show";
  readonly of: RunEvent["type"];
  readonly n: number;
  /** Whether the operation takes effect all the same; it does not unless given. */
  readonly effect?: "none" | "whole";
}

/** A store as a process sees it that dies at such an operation: from then on nothing has an effect. */
export function dyingAt(
  store: Store,
  { operation, of, n, effect = "none" }: DeathAt,
): { readonly store: Store; readonly died: () => boolean } {
  let [left, isDead] = [n, false];

  function living<Failure, A>(
    dies: boolean,
    work: TE.TaskEither<Failure, A>,
    release: (result: A) => void = () => {},
  ): TE.TaskEither<Failure, A> {
    const failure = TE.left({
      type: "LogUnavailable",
      action: "work",
      place: "test",
      reason: "the process was killed",
    } as Failure);
    return async () => {
      if (!isDead && !(dies && left-- === 0)) return await work();
      if (!isDead && effect === "whole") await TE.map(release)(work)();
      isDead = true;
      return await failure();
    };
  }

  const mortal = (writer: LogWriter): LogWriter => ({
    ...writer,
    append: (events, version) =>
      living(
        operation === "append" && events.some(({ type }) => type === of),
        writer.append(events, version),
      ),
  });
  const { log, sources, samples } = store;
  return {
    died: () => isDead,
    store: {
      ...store,
      log: { ...log, open: (run) => TE.map(mortal)(log.open(run)) },
      sources: {
        ...sources,
        put: (files) =>
          living(operation === "sources", sources.put(files), ({ release }) => release()),
      },
      samples: {
        ...samples,
        show: (run, files) => living(operation === "show", samples.show(run, files)),
      },
    },
  };
}
