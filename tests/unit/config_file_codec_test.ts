import assert from "node:assert/strict";
import * as E from "fp-ts/Either.js";
import { defaultConfig, mergeConfig } from "foldlog";
import { decodeConfigFile } from "foldlog/codec";
import { describeConfigError } from "../../src/app/errors/describe_config_error.ts";

const config = mergeConfig(defaultConfig, { model: { layers: 2, kind: "gpt", tied: true } });

Deno.test("decodeConfigFile() reads the same settings from YAML, TOML and JSON5, in groups and by dotted names", () => {
  const texts = {
    "a.yaml":
      "steps: { max: 7 }\noptimizer.learningRate: 1e-2\nmodel:\n  kind: small\n  tied: false\n",
    "a.yml": "steps.max: 7\noptimizer: { learningRate: 0.01 }\nmodel: { kind: small, tied: false }",
    "a.toml":
      'steps.max = 7\n[optimizer]\nlearningRate = 1e-2\n[model]\nkind = "small"\ntied = false\n',
    "a.json5":
      "{ steps: { max: 7 }, 'optimizer.learningRate': .01, // a rate\n model: { kind: 'small', tied: false }, }",
    "a.json":
      '\u{feff}{"steps":{"max":7},"optimizer":{"learningRate":0.01},"model":{"kind":"small","tied":false}}',
  };
  for (const [name, text] of Object.entries(texts)) {
    assert.deepEqual(Object.fromEntries(read(name, text).values), {
      "steps.max": 7,
      "optimizer.learningRate": 0.01,
      "model.kind": "small",
      "model.tied": false,
    }, name);
  }
});

const PRESETS = `
base: { steps: { max: 100 }, optimizer: { learningRate: 0.1 } }
middle: { extends: base, steps.max: 10 }
test: { extends: middle, seed: 3 }
`;

Deno.test("a preset has the settings of those that it extends, the nearest first, and says where each is", () => {
  const { values, places } = read("p.yaml", PRESETS, "test");
  assert.deepEqual(Object.fromEntries(values), {
    "steps.max": 10,
    "optimizer.learningRate": 0.1,
    "seed": 3,
  });
  assert.equal(places.get("optimizer.learningRate"), "base.optimizer.learningRate");
  assert.equal(places.get("steps.max"), "middle.steps.max");
});

Deno.test("every flaw of a config file is said at once: its place, what was expected, what was found", () => {
  const text = `
production:
  steps: { max: many }
  seed: [1]
  optimizer: { learningrate: 0.1, nesterov: 1 }
  optimiser: { learningRate: 0.1 }
  model: 3
  precison: float32
  clip.norm: 1
  clip: { norm: 2, value: null }
`;
  assert.deepEqual(refusal("p.yaml", text, "production").split("\n"), [
    "The settings of p.yaml cannot be used:",
    '  production.steps.max: expected a number, found the text "many"',
    "  production.seed: expected a number, found a list",
    "  production.optimizer.learningrate: there is no such setting. Did you mean optimizer.learningRate?",
    "  production.optimizer.nesterov: expected true or false, found 1",
    "  production.optimiser.learningRate: there is no such setting. Did you mean optimizer.learningRate?",
    "  production.model: expected settings by their names, found 3",
    "  production.precison: there is no such setting. Did you mean precision?",
    "  production.clip.norm: expected given once, found 2",
    "  production.clip.value: expected a number, found nothing",
  ]);
});

Deno.test("a preset that is not there, or not named, is an error that lists those that are", () => {
  assert.match(
    refusal("p.yaml", PRESETS),
    /such as p\.yaml#base\. Its presets are: base, middle, test\./,
  );
  assert.match(refusal("p.yaml", PRESETS, "tset"), /no preset "tset"\. .*: base, middle, test\./);
  assert.match(refusal("p.yaml", "a: { extends: b }", "a"), /no preset "b", which "a" extends\./);
  assert.match(
    refusal("p.yaml", "seed: 3", "test"),
    /no preset "test"\. Its top level has no presets\./,
  );
  for (const name of ["__proto__", "constructor", "toString"]) {
    assert.match(refusal("p.yaml", PRESETS, name), /has no preset/);
  }
});

Deno.test("presets that extend each other in a circle are refused", () => {
  const text = "a: { extends: b }\nb: { extends: c }\nc: { extends: b }\n";
  assert.match(refusal("p.yaml", text, "a"), /b extends c extends b\. Take one/);
  assert.match(refusal("p.yaml", "a: { extends: a }", "a"), /a extends a\./);
  assert.match(
    refusal("p.yaml", "a: { extends: 3 }", "a"),
    /a\.extends: expected the name .* found 3/,
  );
});

Deno.test("what is no settings at all is refused with what was found", () => {
  assert.match(
    refusal("a.yaml", ""),
    /its top level: expected settings by their names, found nothing/,
  );
  assert.match(refusal("a.json", "[1, 2]"), /its top level: .* found a list/);
  assert.match(refusal("a.yaml", "a: 3", "a"), /a: expected settings by their names, found 3/);
  assert.match(
    refusal("a.toml", "seed = 1979-05-27"),
    /seed: expected a number, found a date or a time/,
  );
  assert.match(
    refusal("a.ini", "seed = 3"),
    /to end in one of \.yaml, \.yml, \.toml, \.json5, \.json\./,
  );
});

Deno.test("a text that its language does not allow is refused with the line", () => {
  assert.match(refusal("a.yaml", "seed: 3\nseed: 4\n"), /Map keys must be unique at line 2/);
  assert.match(refusal("a.yaml", "seed: 3\n---\nseed: 4\n"), /multiple documents/);
  assert.match(refusal("a.toml", "seed = 3\nseed = 4\n"), /line 2\.$/);
  assert.match(refusal("a.json5", "{ seed: }"), /at 1:9/);
});

Deno.test("YAML carries nothing out, and its aliases stand for no more than a file can say", () => {
  assert.match(refusal("a.yaml", 'model: { kind: !!js/function "() => 1" }'), /Unresolved tag/);
  assert.match(refusal("a.yaml", "seed: !env SEED"), /Unresolved tag: !env/);
  const names = [..."abcdefghi"];
  const bomb = names.map((name, i) =>
    `${name}: &${name} [${Array(9).fill(i === 0 ? "lol" : `*${names[i - 1]}`)}]`
  ).join("\n");
  assert.match(refusal("a.yaml", bomb), /Excessive alias count/);
  assert.match(
    refusal("a.yaml", "model: &m { kind: *m }"),
    /expected a text, found a group of members/,
  );
  assert.equal(read("a.yaml", "seed: &s 3\nsteps: { max: *s }").values.get("steps.max"), 3);
});

Deno.test("a name that objects have by themselves is no setting", () => {
  for (const name of ["__proto__", "constructor", "toString"]) {
    assert.match(refusal("a.json5", `{ "${name}": 3 }`), /no such setting/, name);
    assert.match(refusal("a.json5", `{ steps: { "${name}": 3 } }`), /no such setting/, name);
  }
});

function read(name: string, text: string, preset?: string) {
  const decoded = decodeConfigFile({ name, text }, config, preset);
  assert.ok(E.isRight(decoded), E.isLeft(decoded) ? describeConfigError(decoded.left) : "");
  return decoded.right;
}

function refusal(name: string, text: string, preset?: string): string {
  const decoded = decodeConfigFile({ name, text }, config, preset);
  assert.ok(E.isLeft(decoded), "expected the file to be refused");
  return describeConfigError(decoded.left);
}
