import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { byteFilesSource, memoryFile } from "../../src/adapters/data/byte_files.ts";
import { textFiles } from "../../src/adapters/data/text_files.ts";

const sizes = fc.array(fc.nat(30), { minLength: 1, maxLength: 8 });

Deno.test("windows are of one file each, in order, and none is lost but what is too short", () => {
  fc.assert(fc.property(sizes, fc.integer({ min: 1, max: 7 }), (sizes, context) => {
    const contents = sizes.map((size, file) =>
      Uint8Array.from({ length: size }, (_, i) => file * 32 + i)
    );
    const windows = contents.map((content) => windowsOf(content, context));
    fc.pre(windows.flat().length > 0);
    const source = byteFilesSource(
      "files",
      contents.map((bytes, n) => memoryFile(`${n}`, bytes)),
      context,
    );
    const { samples, files } = source.identity;
    assert.equal(samples, windows.flat().length);
    assert.deepEqual(files, windows.map((own, n) => ({ name: `${n}`, samples: own.length })));
    const numbers = Array.from({ length: samples }, (_, number) => samples - 1 - number);
    const expected = windows.flat().reverse();
    const { tokens, targets } = source.at(numbers) as Awaited<ReturnType<typeof source.at>>;
    assert.deepEqual(rowsOf(tokens), expected.map((window) => window.slice(0, -1)));
    assert.deepEqual(rowsOf(targets), expected.map((window) => window.slice(1)));
  }));
});

Deno.test("a batch opens each file that it has samples of once, and closes it", () => {
  const opened: string[] = [];
  const files = ["a", "b", "c"].map((name) => {
    const file = memoryFile(name, new Uint8Array(9));
    return {
      ...file,
      open: () => (opened.push(name), {
        ...file.open(),
        [Symbol.dispose]: () => void opened.push(`-${name}`),
      }),
    };
  });
  byteFilesSource("files", files, 2).at([4, 0, 5, 1, 4]);
  assert.deepEqual(opened, ["b", "-b", "a", "-a"]);
});

Deno.test("other contents, and the same bytes divided otherwise, have another digest", () => {
  const digestOf = (...texts: string[]) => {
    const files = texts.map((text, n) => memoryFile(`${n}`, new TextEncoder().encode(text)));
    return byteFilesSource("files", files, 2).identity.digest;
  };
  assert.equal(digestOf("abc", "defg"), digestOf("abc", "defg"));
  assert.equal(
    new Set([digestOf("abc", "defg"), digestOf("abcd", "efg"), digestOf("abc", "defh")]).size,
    3,
  );
});

Deno.test("files on disk are those in memory: a pattern's, in sorted order, read by place", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const texts = {
      "1790-b.txt": "fellow citizens",
      "1790-a.txt": "we the people",
      "notes.md": "no",
    };
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(join(directory, name), text);
    }
    const files = await textFiles(join(directory, "*.txt"));
    const memory = ["1790-a.txt", "1790-b.txt"].map((name) =>
      memoryFile(name, new TextEncoder().encode(texts[name as keyof typeof texts]))
    );
    const [found, expected] = [files, memory].map((files) => byteFilesSource("files", files, 3));
    assert.deepEqual(found!.identity, expected!.identity);
    assert.deepEqual(found!.at([5, 0, 7]), expected!.at([5, 0, 7]));
    const long = Uint8Array.from({ length: 2 ** 21 + 3 }, (_, i) => i % 251);
    await Deno.writeFile(join(directory, "long"), long);
    const [file] = await textFiles(join(directory, "long"));
    assert.equal(file?.digest, memoryFile("long", long).digest);
    await Deno.truncate(join(directory, "1790-b.txt"), 4);
    assert.throws(
      () => found!.at([7]),
      /Expected 4 bytes of 1790-b\.txt from byte 9 on, found the end/,
    );
    await assert.rejects(
      textFiles(join(directory, "*.tex")),
      /Expected files that match .*found none/,
    );
    await assert.rejects(textFiles(directory), /Expected a text file at .*, found no regular file/);
    assert.throws(
      () => byteFilesSource("files", files, 15),
      /at least 16 bytes in files.*at most 15/,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

function windowsOf(content: Uint8Array, context: number): number[][] {
  const windows = [];
  for (let from = 0; from + context < content.length; from += context) {
    windows.push([...content.subarray(from, from + context + 1)]);
  }
  return windows;
}

function rowsOf(
  { shape, data }: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
) {
  const [rows, width] = shape as [number, number];
  const all = Array.from(data);
  return Array.from({ length: rows }, (_, row) => all.slice(row * width, (row + 1) * width));
}
