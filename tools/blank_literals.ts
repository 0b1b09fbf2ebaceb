/**
 * Blanks what is not code, so that a check can look for a name without finding it in prose.
 *
 * @module
 */

/** A stretch of text that is not code. Quotes, backticks and slashes lie outside of it, comment marks inside. */
export interface Literal {
  readonly kind: "comment" | "string" | "template" | "regex";
  readonly start: number;
  readonly end: number;
}

/**
 * Replaces comments and the insides of strings, templates and regular expressions by spaces.
 *
 * Line breaks and positions stay, and so does the code inside `${}`: an offset into the result is an
 * offset into `text`.
 */
export function blankLiterals(text: string): string {
  let blanked = "";
  let from = 0;
  for (const { start, end } of findLiterals(text)) {
    blanked += text.slice(from, start) +
      text.slice(start, end).replace(/[^\r\n\u2028\u2029]/g, " ");
    from = end;
  }
  return blanked + text.slice(from);
}

/**
 * Finds comments, strings, template texts and regular expressions, in order.
 *
 * A slash opens a regular expression unless a value ends before it. That needs no parser but for a
 * `}`, which is taken to end a value: a statement that begins with a regular expression after a
 * block is misread as a division.
 */
export function findLiterals(text: string): readonly Literal[] {
  const literals: Literal[] = [];
  const parens: boolean[] = []; // true for the head of an `if` or a loop, after which no value ended
  const braces: ("code" | "template")[] = [];
  let afterValue = false;
  let afterHead = false;
  let at = 0;

  function add(kind: Literal["kind"], start: number, end: number): void {
    if (end > start) literals.push({ kind, start, end });
  }

  function readTemplateText(start: number): void {
    const end = endOfTemplateText(text, start);
    add("template", start, end);
    const opensCode = text.startsWith("${", end);
    if (opensCode) braces.push("template");
    afterValue = !opensCode;
    at = end + (opensCode ? 2 : 1);
  }

  while (at < text.length) {
    const char = text.charAt(at);
    const word = wordAt(text, at);
    const comment = endOfComment(text, at);
    const regex = char === "/" && !afterValue ? endOfRegex(text, at + 1) : undefined;

    if (comment !== undefined) {
      add("comment", at, comment);
      at = comment;
    } else if (word !== "") {
      const isMember = text.charAt(at - 1) === ".";
      afterValue = isMember || !OPERATOR_WORDS.has(word);
      afterHead = !isMember && HEAD_WORDS.has(word);
      at += word.length;
    } else if (char === '"' || char === "'") {
      const end = endOfString(text, at + 1, char);
      add("string", at + 1, end);
      afterValue = true;
      at = text.charAt(end) === char ? end + 1 : end;
    } else if (char === "`") {
      readTemplateText(at + 1);
    } else if (char === "}" && braces.pop() === "template") {
      readTemplateText(at + 1);
    } else if (regex !== undefined) {
      add("regex", at + 1, regex);
      afterValue = true;
      at = regex + 1;
    } else if (text.startsWith("++", at) || text.startsWith("--", at)) {
      at += 2; // `i++ / 2` divides: what stood before still counts
    } else if (char === "!" && afterValue && text.charAt(at + 1) !== "=") {
      at += 1; // `x! / 2` divides too
    } else {
      if (char === "{") braces.push("code");
      if (char === "(") parens.push(afterHead);
      if (char.trim() !== "") {
        afterValue = char === "]" || char === "}" || (char === ")" && parens.pop() !== true);
        afterHead = false;
      }
      at += 1;
    }
  }
  return literals;
}

const HEAD_WORDS: ReadonlySet<string> = new Set(["if", "while", "for", "with"]);

const OPERATOR_WORDS: ReadonlySet<string> = new Set(
  ("await case delete do else extends in instanceof new of return throw typeof void yield " +
    "if while for with").split(" "),
);

function wordAt(text: string, at: number): string {
  const word = /[\p{L}\p{N}_$]+/uy;
  word.lastIndex = at;
  return word.exec(text)?.[0] ?? "";
}

function endOfComment(text: string, at: number): number | undefined {
  if (text.startsWith("//", at) || (at === 0 && text.startsWith("#!"))) return endOfLine(text, at);
  if (!text.startsWith("/*", at)) return undefined;
  const end = text.indexOf("*/", at + 2);
  return end === -1 ? text.length : end + 2;
}

function endOfLine(text: string, at: number): number {
  const breakAt = text.slice(at).search(/[\r\n\u2028\u2029]/);
  return breakAt === -1 ? text.length : at + breakAt;
}

/** An unclosed string ends with its line, so that one bad line never hides the rest of a file. */
function endOfString(text: string, start: number, quote: string): number {
  let at = start;
  while (at < text.length && text.charAt(at) !== quote && !/[\r\n]/.test(text.charAt(at))) {
    at += text.charAt(at) === "\\" ? 2 : 1;
  }
  return Math.min(at, text.length);
}

function endOfTemplateText(text: string, start: number): number {
  let at = start;
  while (at < text.length && text.charAt(at) !== "`" && !text.startsWith("${", at)) {
    at += text.charAt(at) === "\\" ? 2 : 1;
  }
  return Math.min(at, text.length);
}

/** A slash with no partner on its line is a division after all. */
function endOfRegex(text: string, start: number): number | undefined {
  let inClass = false;
  for (let at = start; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === "\n" || char === "\r") return undefined;
    if (char === "\\") at += 1;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "/" && !inClass) return at;
  }
  return undefined;
}
