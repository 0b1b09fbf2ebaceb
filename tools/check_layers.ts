/**
 * Checks that imports point down only, and that each thing from outside is used in its own layers.
 *
 * @module
 */

import { blankLiterals } from "./blank_literals.ts";
import {
  findImports,
  type Finding,
  type Import,
  isConfig,
  lineAt,
  readConfig,
  readTree,
  report,
  resolveImport,
  type SourceFile,
  type Target,
} from "./support.ts";

/** A file of `src/<layer>/` imports its own layer or one of a strictly lower rank. */
const RANKS: Readonly<Record<string, number>> = {
  core: 0,
  train: 1,
  codec: 1,
  model: 2,
  ports: 2,
  app: 3,
  adapters: 3,
  recipes: 4,
  testing: 4,
  workers: 4,
  cli: 5,
  web: 5,
};

/** The files that may touch tfjs. */
const TENSOR_FILES = ["src/train/", "src/model/", "src/adapters/device/tfjs_backend.ts"];

/** The layers that may read the clock, the files, the network and the process. */
const OUTER_LAYERS = ["src/adapters/", "src/workers/", "src/cli/", "src/web/"];

/** The layers that may describe an effect. */
const EFFECT_LAYERS = [
  ..."ports app adapters recipes testing workers cli web".split(" ").map((layer) =>
    `src/${layer}/`
  ),
  "mod.ts",
];

const EVERYWHERE = ["src/", "mod.ts"];
const PURE_TENSOR_LAYERS = ["src/train/", "src/model/"];
const OWNERSHIP = ["src/train/ownership.ts"];

/** What a pattern matches must not be found under `within`, unless it is under `except`. */
interface Rule {
  readonly pattern: RegExp;
  readonly within: readonly string[];
  readonly except: readonly string[];
  readonly remedy: string;
}

/** Matched against the specifier as written and against the module it resolves to. */
const MODULE_RULES: readonly Rule[] = [
  {
    pattern: /^@tensorflow\/.*/,
    within: EVERYWHERE,
    except: TENSOR_FILES,
    remedy: "move the tensor work there, or pass its result in as an argument",
  },
  {
    pattern: /^io-ts.*/,
    within: EVERYWHERE,
    except: ["src/codec/"],
    remedy: "decode in src/codec and pass the hand-written type on",
  },
  {
    pattern: /^fp-ts\/(?:.*\/)?(?:\w*Task\w*|index)(?:\.js)?$/,
    within: EVERYWHERE,
    except: EFFECT_LAYERS,
    remedy: "return an Either or a plain value, and let src/app lift it",
  },
  {
    pattern: /^node:crypto$/,
    within: EVERYWHERE,
    except: ["src/codec/", ...OUTER_LAYERS],
    remedy: "take the digest as an argument, or call src/codec",
  },
  {
    pattern: /^node:assert(?:\/strict)?$/,
    within: EVERYWHERE,
    except: ["src/testing/", ...OUTER_LAYERS],
    remedy: "return an Either, or move the contract suite to src/testing",
  },
  {
    pattern: /^node:(?!(?:crypto|assert|assert\/strict)$).*/,
    within: EVERYWHERE,
    except: OUTER_LAYERS,
    remedy: "put it behind a port and give it an adapter",
  },
];

/** Matched against the names that are imported from `@tensorflow/*`. */
const CLAUSE_RULES: readonly Rule[] = [
  {
    pattern: /\b(?:[vV]ariable|train)\b/,
    within: PURE_TENSOR_LAYERS,
    except: [],
    remedy: "keep state in a TrainState, which the caller passes in and gets back",
  },
  {
    pattern: /\bdispose(?:Variables)?\b/,
    within: PURE_TENSOR_LAYERS,
    except: OWNERSHIP,
    remedy: "wrap the work in tf.tidy; only the step loop frees a state, by ownership.ts",
  },
];

/** Matched against code, with comments, strings and template texts blanked. */
const CODE_RULES: readonly Rule[] = [
  {
    pattern: globalName("Deno"),
    within: EVERYWHERE,
    except: ["src/testing/", ...OUTER_LAYERS],
    remedy: "put it behind a port and give it an adapter",
  },
  {
    pattern: globalName("Deno(?!\\s*\\.\\s*test\\b)"),
    within: ["src/testing/"],
    except: [],
    remedy: "a suite registers tests by Deno.test and takes everything else as an argument",
  },
  {
    pattern: globalName("Date|Temporal|performance\\s*\\.\\s*now"),
    within: EVERYWHERE,
    except: OUTER_LAYERS,
    remedy: "take the time as an argument, or through the clock port",
  },
  {
    pattern: globalName("setTimeout|setInterval"),
    within: EVERYWHERE,
    except: OUTER_LAYERS,
    remedy: "wait through the clock port",
  },
  {
    pattern: globalName(
      "(?:crypto\\s*\\.\\s*)?(?:randomUUID|getRandomValues)|crypto\\s*\\.\\s*random\\w+",
    ),
    within: EVERYWHERE,
    except: OUTER_LAYERS,
    remedy: "take the identifier as an argument, or derive the numbers from an RngKey",
  },
  {
    pattern: globalName("Math\\s*\\.\\s*random"),
    within: EVERYWHERE,
    except: [],
    remedy: "derive it from an RngKey (src/core/rng_key.ts), so that a resume draws the same",
  },
  {
    pattern: globalName("console"),
    within: EVERYWHERE,
    except: ["src/cli/"],
    remedy: "tell the reporter port, or return the fact",
  },
  {
    pattern: globalName("async|await|Promise|PromiseLike"),
    within: ["src/core/"],
    except: [],
    remedy: "core is never async: take the awaited value as an argument",
  },
  {
    pattern: globalName("await"),
    within: PURE_TENSOR_LAYERS,
    except: [],
    remedy: "stay synchronous; what must be awaited is awaited by the step loop",
  },
  {
    pattern: /\.\s*dispose\s*\(/g,
    within: PURE_TENSOR_LAYERS,
    except: OWNERSHIP,
    remedy: "wrap the work in tf.tidy; only the step loop frees a state, by ownership.ts",
  },
  {
    pattern: /\.\s*(?:dataSync\s*\(|arraySync\s*\(|data\s*\(\s*\)|array\s*\(\s*\))/g,
    within: PURE_TENSOR_LAYERS,
    except: [],
    remedy: "return the tensor; the step loop reads values back",
  },
  {
    pattern: globalName("tf\\s*\\.\\s*(?:[vV]ariable|train)"),
    within: PURE_TENSOR_LAYERS,
    except: [],
    remedy: "keep state in a TrainState, which the caller passes in and gets back",
  },
];

/**
 * Checks every import and every restricted name in `src/` and `mod.ts`, and that no file of `src/`,
 * `tests/`, `bench/` or `tools/` imports a package otherwise than through `deno.json`.
 */
export function checkLayers(files: readonly SourceFile[]): readonly Finding[] {
  return files.filter(({ path }) => isModule(path)).flatMap((file) => {
    const config = readConfig(files, file.path);
    const inImports = findImports(file.text).flatMap((found) => {
      const target = found.specifier === undefined
        ? undefined
        : resolveImport(found.specifier, file.path, config);
      return checkImport(file.path, found, target)
        .map((message) => ({ file: file.path, line: lineAt(file.text, found.offset), message }));
    });
    return [...checkPlace(file.path), ...inImports, ...checkCode(file)]
      .sort((a, b) => a.line - b.line);
  });
}

/** Tells whether a path is one that this check reads. */
export function isModule(path: string): boolean {
  return path === "mod.ts" || /^(?:src|tests|bench|tools)\/.*\.m?[jt]sx?$/.test(path);
}

function checkPlace(path: string): readonly Finding[] {
  if (!path.startsWith("src/") || rankOf(path) !== undefined) return [];
  const message = `found no rank for ${layerOf(path) ?? "a file directly in src/"}, ` +
    `expected one of ${Object.keys(RANKS).join(", ")}: ` +
    "move the file to a layer, or give its folder a rank in tools/check_layers.ts";
  return [{ file: path, line: 1, message }];
}

function checkImport(
  path: string,
  { specifier, clause }: Import,
  target: Target | undefined,
): readonly string[] {
  switch (target?.type) {
    case undefined:
      return appliesTo({ within: EVERYWHERE, except: OUTER_LAYERS }, path)
        ? [
          "found an import whose specifier is computed, expected none outside of " +
          `${OUTER_LAYERS.join(", ")}: name the module in a string`,
        ]
        : [];
    case "inline":
      return [
        `found "${specifier}", expected a name from deno.json: ` +
        "add the package to its imports with an exact version, and import that name",
      ];
    case "unmapped":
      return [
        `found "${specifier}", which deno.json does not map: ` +
        "add the package to its imports with an exact version",
      ];
    case "file":
      return checkDirection(path, target.path);
    case "module": {
      const names = [specifier ?? "", target.name];
      const tensorNames = names.some((name) => name.startsWith("@tensorflow/")) ? [clause] : [];
      return [...breaks(path, names, MODULE_RULES), ...breaks(path, tensorNames, CLAUSE_RULES)];
    }
  }
}

function checkDirection(path: string, target: string): readonly string[] {
  const found = `found an import of ${target}`;
  if (path === "mod.ts") {
    return /^src\/(?!cli\/|web\/)/.test(target) ? [] : [
      `${found}, expected a file of src/ outside of src/cli/ and src/web/: ` +
      "the public surface names what the layers below export",
    ];
  }
  if (!path.startsWith("src/")) return [];

  const own = layerOf(path);
  const rank = rankOf(path);
  const targetRank = rankOf(target);
  if (!target.startsWith("src/")) {
    const isConfig = target === "deno.json" && OUTER_LAYERS.includes(`${own}/`);
    return isConfig ? [] : [`${found}, expected a file of src/: move what is shared into a layer`];
  }
  if (rank === undefined || targetRank === undefined) return []; // reported by checkPlace
  if (own === layerOf(target) || targetRank < rank) return [];
  return [
    `${found} (rank ${targetRank}), expected a file of ${own}/ or a rank below ${rank}: ` +
    "move what is shared to a lower layer, or take it as an argument or through a port",
  ];
}

function checkCode({ path, text }: SourceFile): readonly Finding[] {
  const code = blankLiterals(text);
  return CODE_RULES.filter((rule) => appliesTo(rule, path)).flatMap((rule) =>
    [...code.matchAll(rule.pattern)].map(({ 0: found, index }) => ({
      file: path,
      line: lineAt(text, index),
      message: sayBroken(rule, found),
    }))
  );
}

function breaks(
  path: string,
  texts: readonly string[],
  rules: readonly Rule[],
): readonly string[] {
  return rules.filter((rule) => appliesTo(rule, path)).flatMap((rule) => {
    const found = texts.flatMap((text) => text.match(rule.pattern) ?? [])[0];
    return found === undefined ? [] : [sayBroken(rule, found)];
  });
}

function sayBroken({ within, except, remedy }: Rule, found: string): string {
  const but = except.length > 0 ? ` except ${except.join(", ")}` : "";
  return `found ${found.replace(/\s+/g, "")}, expected none in ${
    within.join(", ")
  }${but}: ${remedy}`;
}

function appliesTo({ within, except }: Pick<Rule, "within" | "except">, path: string): boolean {
  const isIn = (places: readonly string[]) => places.some((place) => path.startsWith(place));
  return isIn(within) && !isIn(except);
}

function layerOf(path: string): string | undefined {
  return /^src\/[^/]+(?=\/)/.exec(path)?.[0];
}

function rankOf(path: string): number | undefined {
  return RANKS[layerOf(path)?.slice("src/".length) ?? ""];
}

/** Matches a name that is not a member of something else, whether or not by `globalThis`. */
function globalName(names: string): RegExp {
  const notAMember = "(?<![\\w$])(?<!(?<!\\.)\\.)"; // `...name` is none
  return new RegExp(`${notAMember}(?:globalThis\\s*\\.\\s*)?(?:${names})(?![\\w$])`, "g");
}

if (import.meta.main) {
  const files = readTree((path) => isModule(path) || isConfig(path));
  report("check_layers", files.filter(({ path }) => isModule(path)).length, checkLayers(files));
}
