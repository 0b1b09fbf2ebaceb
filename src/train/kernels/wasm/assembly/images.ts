/**
 * What each position of a window over images [items, height, width, channels] sees: a row of
 * kernelHeight kernelWidth channels floats, 0 outside of the image. The window stands `top` rows above and
 * `left` columns before the pixels that are `stride` apart, of which there are outHeight outWidth.
 */
export function patches(
  x: usize,
  rows: usize,
  items: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  stride: i32,
  outHeight: i32,
  outWidth: i32,
  top: i32,
  left: i32,
): void {
  const pixel = channels << 2;
  const run = kernelWidth * pixel;
  for (let item = 0; item < items; item++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        const column = j * stride - left;
        const before = min<i32>(max<i32>(-column, 0), kernelWidth);
        const inside = max<i32>(min<i32>(width - column, kernelWidth) - before, 0);
        for (let ky = 0; ky < kernelHeight; ky++, rows += run) {
          const row = i * stride - top + ky;
          if (row < 0 || row >= height) {
            clear(rows, run);
            continue;
          }
          const from = x + <usize>((row * width + column + before) * pixel);
          clear(rows, before * pixel);
          copy(from, rows + before * pixel, inside * pixel);
          clear(rows + (before + inside) * pixel, run - (before + inside) * pixel);
        }
      }
    }
    x += height * width * pixel;
  }
}

/**
 * Of rows as `patches` makes them: images, each pixel the sum of what positions saw of it, in the order of
 * its places in the window.
 */
export function addPatches(
  rows: usize,
  x: usize,
  items: i32,
  height: i32,
  width: i32,
  channels: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  stride: i32,
  outHeight: i32,
  outWidth: i32,
  top: i32,
  left: i32,
): void {
  const pixel = channels << 2;
  const position = kernelHeight * kernelWidth * pixel;
  for (let item = 0; item < items; item++) {
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++, x += pixel) {
        clear(x, pixel);
        // The position that sees it at the window's place ky, kx is i, j: one less for each stride.
        let i = (row + top) / stride;
        for (let ky = (row + top) % stride; ky < kernelHeight && i >= 0; ky += stride, i--) {
          if (i >= outHeight) continue;
          let j = (column + left) / stride;
          for (let kx = (column + left) % stride; kx < kernelWidth && j >= 0; kx += stride, j--) {
            if (j >= outWidth) continue;
            const at = (i * outWidth + j) * position + (ky * kernelWidth + kx) * pixel;
            add(rows + at, x, pixel);
          }
        }
      }
    }
    rows += outHeight * outWidth * position;
  }
}

/** Images of `rows` rows in all, of `width` pixels, at twice their height and width. */
export function upsample(x: usize, y: usize, rows: i32, width: i32, channels: i32): void {
  const pixel = channels << 2;
  const line = 2 * width * pixel;
  for (let row = 0; row < rows; row++, y += line) {
    const upper = y;
    for (let column = 0; column < width; column++, x += pixel, y += 2 * pixel) {
      copy(x, y, pixel);
      copy(x, y + pixel, pixel);
    }
    copy(upper, y, line);
  }
}

/** The sums of squares of four pixels: images of `rows` rows in all, of `width` pixels. */
export function upsampleGradient(
  dy: usize,
  dx: usize,
  rows: i32,
  width: i32,
  channels: i32,
): void {
  const pixel = channels << 2;
  const line = 2 * width * pixel;
  const whole = pixel & -16;
  for (let row = 0; row < rows; row++, dy += line) {
    for (let column = 0; column < width; column++, dy += 2 * pixel, dx += pixel) {
      const lower = dy + line;
      for (let at = 0; at < whole; at += 16) {
        const above = f32x4.add(v128.load(dy + at), v128.load(dy + pixel + at));
        const below = f32x4.add(v128.load(lower + at), v128.load(lower + pixel + at));
        v128.store(dx + at, f32x4.add(above, below));
      }
      for (let at = whole; at < pixel; at += 4) {
        const above = load<f32>(dy + at) + load<f32>(dy + pixel + at);
        const below = load<f32>(lower + at) + load<f32>(lower + pixel + at);
        store<f32>(dx + at, above + below);
      }
    }
  }
}

// The runs here are short: a loop is done before `memory.copy` and `memory.fill` begin.

function copy(from: usize, to: usize, bytes: i32): void {
  const whole = bytes & -16;
  for (let at = 0; at < whole; at += 16) v128.store(to + at, v128.load(from + at));
  for (let at = whole; at < bytes; at += 4) store<i32>(to + at, load<i32>(from + at));
}

function clear(to: usize, bytes: i32): void {
  const whole = bytes & -16;
  for (let at = 0; at < whole; at += 16) v128.store(to + at, i32x4.splat(0));
  for (let at = whole; at < bytes; at += 4) store<i32>(to + at, 0);
}

function add(from: usize, to: usize, bytes: i32): void {
  const whole = bytes & -16;
  for (let at = 0; at < whole; at += 16) {
    v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)));
  }
  for (let at = whole; at < bytes; at += 4) {
    store<f32>(to + at, load<f32>(to + at) + load<f32>(from + at));
  }
}
