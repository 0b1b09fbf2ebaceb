import assert from "node:assert/strict";
import { DIGIT_SIZE } from "../../src/recipes/data/digits.ts";
import { maskedDigits } from "../../src/recipes/data/masked_digits.ts";

const PIXELS = DIGIT_SIZE * DIGIT_SIZE;

Deno.test("of each digit one rectangle is hidden, and the rest is the image from -1 to 1", async () => {
  const { at } = await maskedDigits({ from: 0, to: 0.02, classes: [0, 4] });
  const { inputs, targets } = await at([0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual([inputs.shape, targets.shape], [[8, 28, 28, 2], [8, 28, 28, 1]]);
  const rectangles = new Set<string>();
  for (let image = 0; image < 8; image++) {
    const hidden: (readonly [row: number, column: number])[] = [];
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      const place = image * PIXELS + pixel;
      const isHidden = inputs.data[2 * place + 1] === 1;
      const shade = isHidden ? 0 : Math.fround(2 * targets.data[place]! - 1);
      assert.equal(inputs.data[2 * place], shade);
      assert.ok(isHidden || inputs.data[2 * place + 1] === 0);
      if (isHidden) hidden.push([Math.floor(pixel / DIGIT_SIZE), pixel % DIGIT_SIZE]);
    }
    const [top, left] = hidden[0]!;
    const [bottom, right] = hidden.at(-1)!;
    const [height, width] = [bottom - top + 1, right - left + 1];
    assert.equal(hidden.length, height * width);
    assert.ok(hidden.every(([row, column]) => row >= top && column >= left && column <= right));
    for (const side of [height, width]) assert.ok(side >= 7 && side <= 12, `${side}`);
    for (const edge of [top, left]) assert.ok(edge >= 3, `${edge}`);
    for (const edge of [bottom, right]) assert.ok(edge < DIGIT_SIZE - 3, `${edge}`);
    rectangles.add([top, left, height, width].join());
  }
  assert.ok(rectangles.size > 6);
});

Deno.test("a masked digit is the same whichever are asked for with it, and however often", async () => {
  const options = { from: 0, to: 0.02, classes: [0, 4] };
  const { at } = await maskedDigits(options);
  const together = await at([5, 2, 5]);
  const again = await maskedDigits(options);
  for (const [place, number] of [5, 2, 5].entries()) {
    const alone = await again.at([number]);
    for (const name of ["inputs", "targets"] as const) {
      const size = alone[name].data.length;
      const row = together[name].data.subarray(place * size, (place + 1) * size);
      assert.deepEqual(row, alone[name].data);
    }
  }
});

Deno.test("masked digits of other classes or of other shares are other data", async () => {
  const options = { from: 0, to: 0.02, classes: [0, 4] };
  const identities = [options, { ...options, classes: [0, 3] }, { ...options, from: 0.01 }];
  const found = await Promise.all(identities.map(async (of) => (await maskedDigits(of)).identity));
  assert.equal(new Set(found.map(({ digest }) => digest)).size, 3);
  assert.equal(new Set(found.map(({ name }) => name)).size, 3);
});
