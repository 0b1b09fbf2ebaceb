import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { everyStep, parseDurability } from "../../src/core/durability.ts";

Deno.test("parseDurability() reads every-step, and every-ms with its milliseconds", () => {
  assert.deepEqual(parseDurability("every-step"), E.right({ type: "every-step" }));
  assert.deepEqual(everyStep, { type: "every-step" });
  for (const milliseconds of [1, 2, 50, 9999, 60_000]) {
    assert.deepEqual(
      parseDurability(`every-ms:${milliseconds}`),
      E.right({ type: "every-ms", milliseconds }),
    );
  }
});

Deno.test("parseDurability() says what it expected where a text is neither", () => {
  const expected = E.left('"every-step" or "every-ms:N" with N from 1 to 60000');
  const texts = [
    ...["", "never", "every-steps", "Every-step", " every-step", "every-step ", "every-ms"],
    ...["every-ms:", "every-ms:0", "every-ms:60001", "every-ms:100000", "every-ms:-5"],
    ...[
      "every-ms:1.5",
      "every-ms:1e3",
      "every-ms:NaN",
      "every-ms: 5",
      "every-ms:5\n",
      "every-ms:5ms",
    ],
    "xevery-ms:5",
  ];
  for (const text of texts) assert.deepEqual(parseDurability(text), expected, JSON.stringify(text));
});

Deno.test("parseDurability() takes milliseconds from 1 to a minute and nothing else", () => {
  fc.assert(fc.property(fc.integer({ min: -10, max: 120_000 }), (milliseconds) => {
    const granted = E.isRight(parseDurability(`every-ms:${milliseconds}`));
    assert.equal(granted, milliseconds >= 1 && milliseconds <= 60_000);
  }));
});
