import assert from "node:assert/strict";
import fc from "fast-check";
import { defaultConfig } from "../../src/core/config.ts";
import { settings } from "../../src/core/config_path.ts";
import { nearest } from "../../src/core/nearest.ts";

const paths = [...settings(defaultConfig).keys()];

Deno.test("nearest() finds what a slip of the finger meant", () => {
  assert.deepEqual(nearest("optimizer.learningrate", paths, 1), ["optimizer.learningRate"]);
  assert.deepEqual(nearest("optimizer.learningRat", paths, 1), ["optimizer.learningRate"]);
  assert.deepEqual(nearest("sede", paths), ["seed"]);
  assert.deepEqual(nearest("SEED", paths), ["seed"]);
  assert.deepEqual(nearest("steps.maxx", paths, 1), ["steps.max"]);
  assert.deepEqual(nearest("savee.very", paths, 1), ["save.every"]);
});

Deno.test("nearest() finds a name by its last part alone", () => {
  assert.deepEqual(nearest("learningRate", paths), ["optimizer.learningRate"]);
  assert.deepEqual(nearest("momentum", paths), ["optimizer.momentum"]);
});

Deno.test("nearest() finds what a text abbreviates, before what merely resembles it", () => {
  assert.deepEqual(nearest("lr", paths), ["optimizer.learningRate"]);
  assert.deepEqual(nearest("optimizer.lr", paths, 1), ["optimizer.learningRate"]);
  assert.deepEqual(nearest("opt.wd", paths, 1), ["optimizer.weightDecay"]);
});

Deno.test("nearest() gives the nearest first, equals by name, at most as many as were asked for", () => {
  const names = ["abcd", "abcx", "abxx", "abcf", "xxxx"];
  assert.deepEqual(nearest("abcd", names), ["abcd", "abcf", "abcx"]);
  assert.deepEqual(nearest("abcd", names, 4), ["abcd", "abcf", "abcx", "abxx"]);
  assert.deepEqual(nearest("abcd", names, 1), ["abcd"]);
});

Deno.test("nearest() offers nothing where nothing is near", () => {
  assert.deepEqual(nearest("completely.different.thing", paths), []);
  assert.deepEqual(nearest("abcd", []), []);
  assert.deepEqual(nearest("abc", ["xyz"]), []);
  assert.deepEqual(nearest("ab", ["xyab"]), ["xyab"]); // two letters added
  assert.deepEqual(nearest("ab", ["xyzab"]), []); // three
});

Deno.test("nearest() allows long names a third of their letters", () => {
  const name = "abcdefghijkl";
  assert.deepEqual(nearest("abcdefghxxxx", [name]), [name]);
  assert.deepEqual(nearest("abcdefgxxxxx", [name]), []);
});

Deno.test("nearest() finds a name after any one change to it", () => {
  const name = fc.constantFrom("insert", "remove", "replace").chain((change) =>
    fc.tuple(
      fc.constant(change),
      fc.constantFrom(...paths),
      fc.nat({ max: 100 }),
      fc.constantFrom(..."qzj#"),
    )
  );
  fc.assert(fc.property(name, ([change, path, at, letter]) => {
    const place = at % path.length;
    const text = path.slice(0, place) + (change === "remove" ? "" : letter) +
      path.slice(change === "insert" ? place : place + 1);
    assert.ok(nearest(text, paths, paths.length).includes(path), text);
  }));
});
