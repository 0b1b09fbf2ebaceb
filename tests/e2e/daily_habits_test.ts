import assert from "node:assert/strict";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import { type Bench, benchIn } from "../support/foldlog_here.ts";
import { commandLine, runCli, runCliOnTerminal, terminalAvailable } from "../support/run_cli.ts";
import { serveRanges } from "../support/serve_ranges.ts";
import { SMALL_MODEL } from "../support/small_model.ts";
import { temporaryDirectory } from "../support/temporary_directory.ts";

/** A training of nine steps that takes a second, with evaluations and snapshots at 3, 6 and 9. */
const SMALL = [
  ...SMALL_MODEL,
  ...["--set", "evaluate.every=3", "--set", "evaluate.batches=1", "--backend", "wasm"],
  ...["--save-every", "3", "--max-steps", "9"],
].join(" ");

const root = Deno.makeTempDirSync();
const bench: Bench = benchIn(`${root}/runs`);
Deno.test.beforeAll(async () => void await bench.does(`train moby-gpt --run done ${SMALL}`));
Deno.test.afterAll(() => Deno.remove(root, { recursive: true }));
