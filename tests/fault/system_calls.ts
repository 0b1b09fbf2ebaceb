/** A system call as strace printed it (`-f -y -xx`). */
export interface SystemCall {
  readonly thread: string;
  /** Without the endings of its variants: `openat` and `open` are "open", `renameat2` is "rename". */
  readonly name: string;
  /** As strace calls it: what an injection has to name. */
  readonly variant: string;
  /** The files it is about, in the order of its arguments. */
  readonly paths: readonly string[];
  /** All its arguments, as text. */
  readonly args: string;
  /** The bytes it was to write, where it writes. */
  readonly data?: Uint8Array;
  /** What it returned; undefined where the process ended first. */
  readonly result?: number;
  /** The error it returned, such as "ENOSPC". */
  readonly error?: string;
  /** Whether strace had it fail. */
  readonly injected: boolean;
  /** Numbers of the lines where it was entered and where it returned: calls of threads overlap. */
  readonly entered: number;
  readonly returned: number;
}

const LINE = /^(?<thread>\d+) +(?<rest>.*)$/;
const UNFINISHED = / ?<unfinished \.\.\.>$/;
const RESUMED = /^<\.\.\. \w+ resumed> ?/;
const CALL = /^(?<variant>\w+)\((?<args>.*?)\)? += (?<result>\?|-?\d+|0x[0-9a-f]+)(?<after>.*)$/s;
const STRING = /"((?:\\x[0-9a-f]{2})*)"/g;
const DESCRIPTOR = /^\d+<([^>]*)>/;

/** The calls in what strace printed, in the order in which they were entered. */
export function parseSystemCalls(text: string): readonly SystemCall[] {
  const calls: SystemCall[] = [];
  const begun = new Map<string, { readonly text: string; readonly entered: number }>();
  for (const [number, line] of text.split("\n").entries()) {
    const { thread, rest } = LINE.exec(line)?.groups ?? {};
    if (thread === undefined || rest === undefined || /^(?:\+\+\+|---)/.test(rest)) continue;
    if (UNFINISHED.test(rest)) {
      begun.set(thread, { text: rest.replace(UNFINISHED, ""), entered: number });
      continue;
    }
    const before = RESUMED.test(rest) ? begun.get(thread) : undefined;
    begun.delete(thread);
    const whole = (before?.text ?? "") + rest.replace(RESUMED, "");
    const call = parseCall(thread, whole, before?.entered ?? number, number);
    if (call !== undefined) calls.push(call);
  }
  for (const [thread, { text, entered }] of begun) {
    const call = parseCall(thread, `${text}) = ?`, entered, Infinity);
    if (call !== undefined) calls.push(call);
  }
  return calls.sort((a, b) => a.entered - b.entered);
}

function parseCall(
  thread: string,
  text: string,
  entered: number,
  returned: number,
): SystemCall | undefined {
  const { variant, args = "", result = "", after = "" } = CALL.exec(text)?.groups ?? {};
  if (variant === undefined) return undefined;
  const name = variant.replace(/at2?$|64$/, "");
  const descriptor = DESCRIPTOR.exec(args)?.[1];
  const writes = descriptor !== undefined && /^p?write/.test(name);
  const strings = descriptor === undefined || writes
    ? [...args.matchAll(STRING)].map(([, hex]) => bytesOf(hex!))
    : []; // what was read is not looked at, and there is a lot of it
  const paths = (descriptor === undefined ? strings : [bytesOf(descriptor)])
    .map((bytes) => new TextDecoder().decode(bytes));
  const data = writes ? strings[0] : undefined;
  const error = / (E[A-Z]+) /.exec(after)?.[1];
  return {
    thread,
    name,
    variant,
    paths,
    args,
    ...(data && { data }),
    ...(result !== "?" && { result: Number(result) }),
    ...(error !== undefined && { error }),
    injected: after.includes("(INJECTED)"),
    entered,
    returned,
  };
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.split("\\x").slice(1), (digits) => parseInt(digits, 16));
}
