import { type CodeIdentity, codeIdentity } from "foldlog";

/** Code of a few files by their paths and texts, and of what they import besides. */
export function codeFrom(
  files: Readonly<Record<string, string>>,
  imports: readonly string[] = [],
): CodeIdentity {
  const encoder = new TextEncoder();
  const bytes = Object.entries(files).map(([path, text]) => [path, encoder.encode(text)] as const);
  return codeIdentity(new Map(bytes), imports);
}

/** Two files, and one package. */
export const firstCode = codeFrom({ "task.ts": "1", "src/loss.ts": "2" }, ["npm:a@1.0.0"]);

/** The code after that: a file is another, one is new, one is gone, and so is the package. */
export const nextCode = codeFrom({ "task.ts": "3", "src/new.ts": "2" }, ["npm:a@2.0.0"]);
