/** A command of a page, and how the page says that it ends. */
export interface PageCommand {
  /** As a reader types it, without the comment. */
  readonly text: string;
  readonly exits: number;
  /** The step after which it is killed, where the page says so. */
  readonly killedAfter?: number;
}

/** What a page does, in its order. */
export type PagePart =
  | {
    readonly type: "commands";
    readonly line: number;
    readonly commands: readonly PageCommand[];
    /** What they print, where the page shows it. */
    readonly output?: string;
  }
  | {
    readonly type: "script";
    readonly line: number;
    readonly code: string;
    readonly output?: string;
  }
  /** Something that happens to the runs between two commands; readers are told in words. */
  | { readonly type: "happens"; readonly line: number; readonly what: string };

/** A fence with its language and what is in it, or a comment. */
const PART = /^```(sh|ts|text)\n([\s\S]*?)^```$|^<!-- happens: (.*?) -->$/gm;

/**
 * The parts of a page of the guide.
 *
 * Each line of a `sh` fence is a command, which exits 0 unless a comment after it says otherwise ("# exits 2"),
 * or that it is killed ("# killed after step 6"). A `text` fence is what the commands or the script before it
 * print. A `ts` fence is a script. `<!-- happens: ... -->` is what a test has to do there.
 */
export function partsOf(page: string): readonly PagePart[] {
  const parts: PagePart[] = [];
  for (const { 1: language, 2: content = "", 3: what, index } of page.matchAll(PART)) {
    const line = page.slice(0, index).split("\n").length;
    if (what !== undefined) parts.push({ type: "happens", line, what });
    else if (language === "ts") parts.push({ type: "script", line, code: content });
    else if (language === "sh") {
      const commands = content.trimEnd().split("\n").map(commandOf);
      parts.push({ type: "commands", line, commands });
    } else {
      const last = parts.pop();
      if (last === undefined || last.type === "happens" || last.output !== undefined) {
        throw new Error(`line ${line}: expected commands or a script before an output`);
      }
      parts.push({ ...last, output: content });
    }
  }
  return parts;
}

function commandOf(line: string): PageCommand {
  const [text = "", comment = ""] = line.split(/\s+#\s+/);
  const killed = /killed after step (\d+)/.exec(comment)?.[1];
  const exits = killed === undefined ? Number(/exits (\d+)/.exec(comment)?.[1] ?? 0) : 137;
  return { text: text.trim(), exits, ...(killed !== undefined && { killedAfter: Number(killed) }) };
}

/**
 * Whether an output is what a page shows: line by line, where "..." in the page stands for any lines, or
 * for any text in a line. Empty lines do not count. What depends on the machine, the time or the code is
 * passed over: digests, times, rates, sizes, and the losses' digits. With `loosely`, no number counts.
 */
export function shows(page: string, output: string, loosely = false): boolean {
  const plain = (text: string) => {
    const lines = text.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "");
    return lines.map((line) => loosely ? withoutNumbers(withoutChance(line)) : withoutChance(line));
  };
  const pattern = plain(page).map((line) =>
    line === "..." ? "(?:.*\n)*?" : `${line.split("...").map(literally).join(".*")}\n`
  ).join("");
  const printed = plain(output).filter((line) => !isProgress(line));
  return new RegExp(`^${pattern}$`).test(printed.map((line) => `${line}\n`).join(""));
}

function withoutChance(line: string): string {
  return line
    .replace(/\b[0-9a-f]{12,64}\b/g, "#")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "#")
    .replace(/\b\d[\d,]* bytes/g, "# bytes")
    .replace(/(?:\d+(?:\.\d+)?|-) steps\/s +ETA (?:\w+|-)/g, "#")
    .replace(/\(\d+\.\d s\)/g, "(#)")
    .replace(/\b(?:\d+\.\d{4}|\d+\.\d{7,}|\d+(?:\.\d+)?e-\d+)(?!\d)/g, "#");
}

function withoutNumbers(line: string): string {
  return line.replace(/\d+/g, "#");
}

/** A line that comes by the clock: only the last of them always does. */
function isProgress(line: string): boolean {
  const [, step, of] = /^step (\d+)\/(\d+) /.exec(line) ?? [];
  return step !== of;
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
