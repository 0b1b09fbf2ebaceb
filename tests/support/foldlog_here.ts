import assert from "node:assert/strict";
import { foldlog } from "../../src/cli/main.ts";
import { inTemporaryDirectory } from "./temporary_directory.ts";

/** How a command ended, and what it printed. */
export interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Carries out a command in this process, as `foldlog ARGS --runs RUNS`: a tenth of a second in place of the
 * second that a process takes. Only one at a time, and only with arguments that the verb knows.
 */
export async function foldlogHere(runs: string, line: string): Promise<Printed> {
  const { log, error } = console;
  const printed = { stdout: "", stderr: "" };
  console.log = (...texts: unknown[]) => void (printed.stdout += `${texts.join(" ")}\n`);
  console.error = (...texts: unknown[]) => void (printed.stderr += `${texts.join(" ")}\n`);
  try {
    const code = await foldlog([...line.split(/\s+/), "--runs", runs]);
    return { code, ...printed };
  } finally {
    console.log = log;
    console.error = error;
  }
}

/** A place for runs, and commands there: each must end as expected. */
export interface Bench {
  readonly runs: string;
  /** What a command prints that exits 0. */
  readonly does: (line: string) => Promise<string>;
  /** What it prints with `--json`. */
  // deno-lint-ignore no-explicit-any
  readonly json: (line: string) => Promise<any>;
  /** What a command says that exits with another status. */
  readonly refuses: (line: string, code?: number) => Promise<string>;
}

/** A bench in a directory. */
export function benchIn(runs: string): Bench {
  async function does(line: string): Promise<string> {
    const { code, stdout, stderr } = await foldlogHere(runs, line);
    assert.equal(code, 0, `foldlog ${line}: ${stderr}${stdout}`);
    return stdout;
  }
  return {
    runs,
    does,
    json: async (line) => JSON.parse(await does(`${line} --json`)),
    refuses: async (line, expected = 2) => {
      const { code, stdout, stderr } = await foldlogHere(runs, line);
      assert.equal(code, expected, `foldlog ${line}: ${stderr}${stdout}`);
      return stderr + stdout;
    },
  };
}

/** A test of one row of docs/requirements.md, on a bench of its own. */
export function requirement(row: string, claim: string, fn: (bench: Bench) => Promise<void>): void {
  Deno.test(
    `${row}: ${claim}`,
    () => inTemporaryDirectory((directory) => fn(benchIn(`${directory}/runs`))),
  );
}
