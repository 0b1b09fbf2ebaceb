/**
 * Checks that what the documents point to exists: files, headings, tasks.
 *
 * @module
 */

import { posix } from "node:path";
import { type Finding, lineAt, readConfig, readTree, report, type SourceFile } from "./support.ts";

/** Checks the documents of a tree; its other files need a text only if they are Markdown. */
export function checkDocs(files: readonly SourceFile[]): readonly Finding[] {
  const tree: Tree = {
    texts: new Map(files.map(({ path, text }) => [path, text])),
    folders: new Set(files.flatMap(({ path }) => foldersOf(path))),
    tasks: new Set(Object.keys(readConfig(files).tasks ?? {})),
  };
  return files.filter(({ path }) => isDocument(path)).flatMap(({ path, text }) =>
    [
      ...findLinks(text).map((found) => ({ ...found, message: checkLink(path, found.text, tree) })),
      ...findTasks(text).map((found) => ({ ...found, message: checkTask(found.text, tree) })),
      ...findPaths(text).map((found) => ({ ...found, message: checkPath(found.text, tree) })),
      ...[...text.matchAll(/[^\S\n]+$/gm)].map(({ index }) => ({
        offset: index,
        message: "found whitespace at the end of the line, expected none: " +
          "take it out (a hard line break is written as a backslash)",
      })),
    ].flatMap(({ offset, message }) =>
      message === undefined ? [] : [{ file: path, line: lineAt(text, offset), message }]
    ).sort((a, b) => a.line - b.line)
  );
}

/** Tells whether a path is one that this check reads. */
export function isDocument(path: string): boolean {
  return /^(?:README|ARCHITECTURE|CONTRIBUTING)\.md$|^docs\/.*\.md$/.test(path);
}

/** Lists the anchors that GitHub gives a document: its headings' slugs, and the ids in its HTML. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const text = blankFences(markdown);
  const headings = [...text.matchAll(HEADING)]
    .map(({ groups }) => groups?.["hashed"] ?? groups?.["underlined"] ?? "");
  const counts = new Map<string, number>();
  const slugs = headings.map(slugOf).map((slug) => {
    let unique = slug;
    while (counts.has(unique)) {
      const count = (counts.get(slug) ?? 0) + 1;
      counts.set(slug, count);
      unique = `${slug}-${count}`;
    }
    counts.set(unique, 0);
    return unique;
  });
  const ids = [...blankCode(text).matchAll(/<[^>]*\s(?:id|name)\s*=\s*["']([^"']+)["']/g)]
    .map(([, id = ""]) => id);
  return new Set([...slugs, ...ids]);
}

interface Tree {
  readonly texts: ReadonlyMap<string, string>;
  readonly folders: ReadonlySet<string>;
  readonly tasks: ReadonlySet<string>;
}

interface Found {
  readonly text: string;
  readonly offset: number;
}

const HEADING =
  /^ {0,3}#{1,6}[ \t]+(?<hashed>.*?)(?:[ \t]+#+)?[ \t]*$|^ {0,3}(?<underlined>[^\s>#|-].*)\n {0,3}(?:=+|-+)[ \t]*$/gm;

/** What follows the backticks of a fence has none, or they are a code span: ```` ```code``` ````. */
const FENCE = /^[ \t>]*(?<fence>`{3,}(?=[^`]*$)|~{3,}).*$/;
/** A code span ends in its own paragraph, or it is none. */
const CODE_SPAN = /(?<!`)(`+)(?!`)((?:(?!\n\s*\n)[^])*?[^`])\1(?!`)/g;

const LINKS: readonly RegExp[] = [
  /\]\(\s*(?:<([^>\n]*)>|((?:[^\s()<]|\([^\s()]*\))+))(?:\s+["'(][^]*?["')])?\s*\)/g,
  /^ {0,3}\[(?!\^)[^\]\n]+\]:[ \t]*<?([^\s>]+)>?/gm,
  /<[^>]*\s(?:href|src)\s*=\s*["']([^"']+)["']/g,
];

function findLinks(markdown: string): readonly Found[] {
  const text = blankCode(blankFences(markdown)).replace(/<!--[^]*?-->/g, blank);
  return LINKS.flatMap((pattern) =>
    [...text.matchAll(pattern)]
      .map(({ 1: first, 2: second, index }) => ({ text: first ?? second ?? "", offset: index }))
  );
}

function findTasks(text: string): readonly Found[] {
  return [...text.matchAll(/\bdeno task(?:[ \t]+-\S+)*[ \t]+(\w+(?:[.:-]\w+)*)/g)]
    .map(({ 1: name = "", index }) => ({ text: name, offset: index }));
}

function findPaths(markdown: string): readonly Found[] {
  return [...blankFences(markdown).matchAll(CODE_SPAN)]
    .map(({ 2: code = "", index }) => ({ text: code.trim().split(/\s/)[0] ?? "", offset: index }))
    .filter(({ text }) => /^(?:src|tests|docs|tools|bench)\//.test(text))
    .filter(({ text }) => !/[<*\u2026]|\.{3}/.test(text));
}

function checkLink(from: string, link: string, tree: Tree): string | undefined {
  if (/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(link)) return undefined;
  const [address = "", anchor] = decode(link).split(/#(.*)/s);
  const path = resolveLink(from, address.replace(/\?.*$/, ""));
  const text = tree.texts.get(path);

  if (text === undefined) {
    return hasFolder(tree, path)
      ? undefined
      : `found a link to "${link}", expected a file: there is no ${path}; ` +
        "correct the link, or write the file";
  }
  if (!anchor || !path.endsWith(".md") || anchorsOf(text).has(anchor)) return undefined;
  return `found a link to "${link}", expected a heading of ${path} with the anchor #${anchor}: ` +
    `correct the link; the anchors there are ${[...anchorsOf(text)].join(", ") || "none"}`;
}

function checkTask(name: string, { tasks }: Tree): string | undefined {
  if (tasks.has(name)) return undefined;
  return `found "deno task ${name}", expected a task of deno.json: ` +
    `name one of ${[...tasks].join(", ") || "its tasks (it has none)"}, or add it`;
}

function checkPath(found: string, tree: Tree): string | undefined {
  const path = posix.normalize(found.replace(/#.*$|(?::\d+)+$|[.,;:]+$/, ""));
  if (tree.texts.has(path) || hasFolder(tree, path)) return undefined;
  return `found \`${found}\`, expected a path of the tree: there is no ${path}; ` +
    "correct it, or write <, * or \u2026 in it if it stands for others";
}

/** A link that starts with `/` starts at the root of the repository, as it does on GitHub. */
function resolveLink(from: string, address: string): string {
  if (address === "") return from;
  const path = address.startsWith("/")
    ? address.slice(1)
    : posix.join(posix.dirname(from), address);
  return posix.normalize(path);
}

function decode(link: string): string {
  try {
    return decodeURIComponent(link);
  } catch {
    return link; // a lone `%` stands for itself
  }
}

function hasFolder({ folders }: Tree, path: string): boolean {
  return folders.has(path.replace(/\/$/, ""));
}

function foldersOf(path: string): readonly string[] {
  const parts = path.split("/").slice(0, -1);
  return [".", ...parts.map((_, i) => parts.slice(0, i + 1).join("/"))];
}

/**
 * Gives the anchor of a heading: in lower case, letters, digits, `-` and `_` only, spaces as `-`.
 *
 * The rules are those of https://github.com/Flet/github-slugger, applied to the rendered text.
 */
function slugOf(heading: string): string {
  return heading.split(/(`+[^`]*`+)/).map((part) => part.startsWith("`") ? part : renderText(part))
    .join("").trim().toLowerCase().replace(/[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc} -]/gu, "").replaceAll(
      " ",
      "-",
    );
}

function renderText(markdown: string): string {
  return markdown
    .replace(/!\[[^\]]*\]\([^)]*\)/g, "")
    .replace(/\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, "$1")
    .replace(/<[^>]*>|&#?\w+;/g, "")
    .replace(/(?<![\p{L}\p{N}_])_(?=\S)(.+?)(?<=\S)_(?![\p{L}\p{N}_])/gu, "$1");
}

/** Blanks fenced code, fences included; positions stay. */
function blankFences(text: string): string {
  let open: string | undefined;
  return text.split("\n").map((line) => {
    const fence = FENCE.exec(line)?.groups?.["fence"];
    if (open === undefined) {
      if (fence === undefined) return line;
      open = fence;
    } else if (fence?.startsWith(open) && line.trimEnd().endsWith(fence)) {
      open = undefined;
    }
    return blank(line);
  }).join("\n");
}

function blankCode(text: string): string {
  return text.replace(CODE_SPAN, blank);
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

if (import.meta.main) {
  const files = readTree((path) => path.endsWith(".md") || path === "deno.json");
  report("check_docs", files.filter(({ path }) => isDocument(path)).length, checkDocs(files));
}
