/**
 * Compiles `src/train/kernels/wasm/assembly/` to `src/train/kernels/wasm/kernels_wasm.ts`; with
 * `--check`, says whether that file is what the sources compile to, and changes nothing.
 *
 * It has a configuration of its own, so that nobody but who changes a kernel downloads the compiler.
 *
 * @module
 */
import asc from "assemblyscript/asc";

const FOLDER = new URL("../../src/train/kernels/wasm/", import.meta.url);
const MODULE = new URL("kernels_wasm.ts", FOLDER);

const OPTIONS = [
  ...[
    "-O3",
    "--converge",
    "--noAssert",
    "--runtime",
    "stub",
    "--enable",
    "simd",
    "--enable",
    "relaxed-simd",
  ],
  ...["--importMemory", "--initialMemory", "1", "--outFile", "kernels.wasm"],
];

/** The module's text, or what the compiler complains of. */
async function compiled(): Promise<string> {
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(["assembly/index.ts", ...OPTIONS], {
    readFile: async (name) => {
      try {
        return await Deno.readTextFile(new URL(name, FOLDER));
      } catch {
        return null;
      }
    },
    writeFile: (_name, contents) => {
      wasm = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error || wasm === undefined) throw new Error(stderr.toString());
  return [
    "// Made by tools/kernels/build_kernels.ts from assembly/: not to be changed by hand.",
    "",
    "/** The module of the kernels, in base64. */",
    "export const KERNELS_WASM =",
    `  "${wasm.toBase64()}";`,
    "",
  ].join("\n");
}

if (import.meta.main) {
  const [option, ...rest] = Deno.args;
  if ((option !== undefined && option !== "--check") || rest.length > 0) {
    console.error("Expected no argument, or --check");
    Deno.exit(2);
  }
  const text = await compiled();
  if (option === undefined) {
    await Deno.writeTextFile(MODULE, text);
  } else if (text !== await Deno.readTextFile(MODULE)) {
    console.error(`Expected ${MODULE.pathname} as its sources compile to, found another text:`);
    console.error("run deno task build-kernels");
    Deno.exit(1);
  }
}
