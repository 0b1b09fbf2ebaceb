import assert from "node:assert/strict";
import fc from "fast-check";
import * as E from "fp-ts/Either.js";
import { describeError } from "foldlog";
import { gpt2Tokenizer } from "../../src/adapters/data/gpt2_tokenizer.ts";
import { textPieces } from "../../src/adapters/data/text_pieces.ts";
import { tokenizeFiles, type TokenizeOptions } from "../../src/adapters/data/tokenize_files.ts";
import { decodeShardHeader, decodeTokens } from "../../src/codec/token_shard.ts";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";

const END = 50256;
const { encode, decode } = await gpt2Tokenizer();

Deno.test("a document's tokens are those of its whole text, wherever it is cut", async () => {
  const word = fc.constantFrom(
    ...["Call", "me", "'s", "I'll", "  ", " ", "\n", "\n\n", "\t", "\u00a0", "\u3000", "\ufeff"],
    ...[
      "1851",
      "...",
      "\u6f22\u5b57",
      "\u00e9",
      "\u{1f433}",
      "'",
      "<|endoftext|>",
      "\u2028",
      "\r\n",
      "a b",
    ],
  );
  const text = fc.array(word, { maxLength: 30 }).map((words) => words.join(""));
  await inTemporaryDirectory(async (directory) => {
    const path = `${directory}/text`;
    await fc.assert(
      fc.asyncProperty(text, fc.double({ min: 0, max: 1, noNaN: true }), async (text, share) => {
        const bytes = new TextEncoder().encode(text);
        await Deno.writeFile(path, bytes);
        const from = share * bytes.length;
        const pieces = await Array.fromAsync(textPieces([{ path, bytes: bytes.length }], from));
        assert.equal(pieces.map((piece) => piece.text).join(""), text);
        assert.deepEqual(pieces.flatMap((piece) => encode(piece.text)), encode(text));
        const trained = pieces.filter(({ heldOut }) => !heldOut).map((piece) => piece.text).join(
          "",
        );
        assert.ok(
          new TextEncoder().encode(trained).length >= Math.min(from, bytes.length) || from === 0,
        );
        assert.deepEqual(pieces.map(({ begins }) => begins), pieces.map((_, index) => index === 0));
      }),
      { numRuns: 300 },
    );
  });
});

Deno.test("a long text comes in pieces that its tokens do not show", async () => {
  await inTemporaryDirectory(async (directory) => {
    const path = `${directory}/text`;
    const text = "It was the white whale\u{1f433}  that appalled me, 'twas so. ".repeat(6000);
    await Deno.writeTextFile(path, text);
    const file = { path, bytes: new TextEncoder().encode(text).length };
    const pieces = await Array.fromAsync(textPieces([file], Infinity));
    assert.equal(pieces.length, 6);
    assert.deepEqual(pieces.flatMap((piece) => encode(piece.text)), encode(text));
  });
});

Deno.test("tokenizeFiles() makes each file a document after <|endoftext|>, in shards of equal size", async () => {
  await withTexts(
    ["Call me Ishmael.", "", "A <|endoftext|> in a text ends nothing."],
    async (texts) => {
      const { report, shards } = await tokenized(texts, { shardTokens: 10 });
      const documents = texts.map(({ text }) => [END, ...encode(text)]).flat();
      assert.deepEqual(await shards("train"), documents);
      assert.equal(documents.filter((token) => token === END).length, 3);
      assert.equal(report.documents, 3);
      assert.deepEqual(report.validation, []);
      assert.equal(documents.length, 23);
      const names = ["moby_train_000000.bin", "moby_train_000001.bin", "moby_train_000002.bin"];
      assert.deepEqual(report.train.map(({ name }) => name), names);
      assert.deepEqual(report.train.map(({ tokens }) => tokens), [10, 10, 3]);
    },
  );
});

Deno.test("the validation shards have the end of the texts, from a place where a word ends", async () => {
  const texts = ["one two three four five", "six seven eight"];
  await withTexts(texts, async (texts) => {
    const { shards } = await tokenized(texts, { validation: 0.5 }); // 38 bytes: from byte 19 on
    assert.equal(decode(await shards("train")), "<|endoftext|>one two three four five");
    assert.equal(decode(await shards("val")), "<|endoftext|>six seven eight");
  });
  await withTexts(texts, async (texts) => {
    const { shards } = await tokenized(texts, { validation: 0.7 }); // from byte 11 on
    assert.equal(decode(await shards("train")), "<|endoftext|>one two three");
    assert.equal(
      decode(await shards("val")),
      "<|endoftext|> four five<|endoftext|>six seven eight",
    );
  });
});

Deno.test("of shards that cannot be made nothing is left, and nothing that is there is touched", async () => {
  await withTexts(["some text"], async ([{ path }], directory) => {
    const bad = `${directory}/bad`;
    await Deno.writeFile(bad, Uint8Array.of(0x61, 0xff, 0x62));
    assert.equal(
      await said([path, bad], directory, "new"),
      `Cannot read the text at ${bad}: expected UTF-8, found bytes that are none from byte 0 to 3.`,
    );
    assert.equal(
      await said([`${directory}/none`], directory, "new"),
      `Cannot read the text at ${directory}/none: expected a file, found none.`,
    );
    assert.equal(
      await said([path], directory, "new", { validation: 0.01 }),
      `Cannot make token shards at ${directory}/new: expected texts with a part for validation, ` +
        "found that 0.01 for validation leaves none.",
    );
    assert.equal(
      await said([path], directory, "."),
      `Cannot make token shards at ${directory}/.: expected an empty directory, found "bad" in it.`,
    );
    const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["0", "bad"]);
    await Deno.mkdir(`${directory}/new`);
    assert.equal(await said([path], directory, "new"), undefined);
  });
});

Deno.test("tokenizeFiles() refuses what makes no shards", () => {
  const wrong = (options: Partial<TokenizeOptions>) => () =>
    tokenizeFiles([], { directory: "d", prefix: "p", validation: 0, shardTokens: 9, ...options });
  assert.throws(wrong({ validation: 1 }), /share for validation from 0 up to, .* found 1/);
  assert.throws(wrong({ validation: NaN }), /found NaN/);
  assert.throws(wrong({ shardTokens: 1 }), /Expected 2 to 2147483647 tokens in a shard, found 1/);
  assert.throws(wrong({ shardTokens: 2 ** 31 }), /found 2147483648/);
  assert.throws(wrong({ prefix: "a/b" }), /Expected a name for the shards .* found "a\/b"/);
});

interface Text {
  readonly path: string;
  readonly text: string;
}

async function withTexts(
  texts: readonly string[],
  work: (texts: [Text, ...Text[]], directory: string) => Promise<void>,
): Promise<void> {
  await inTemporaryDirectory(async (directory) => {
    const files = texts.map((text, number) => ({ path: `${directory}/${number}`, text }));
    for (const { path, text } of files) await Deno.writeTextFile(path, text);
    await work(files as [Text, ...Text[]], directory);
  });
}

async function tokenized(texts: readonly Text[], options: Partial<TokenizeOptions>) {
  const directory = `${texts[0]!.path}-shards`;
  const whole = { directory, prefix: "moby", validation: 0, shardTokens: 1000, ...options };
  const report = await tokenizeFiles(texts.map(({ path }) => path), whole)();
  assert.ok(E.isRight(report));
  const { train, validation } = report.right;
  const names = [...train, ...validation].map(({ name }) => name).sort();
  const there = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort();
  assert.deepEqual(there, names);
  return { report: report.right, shards: (part: string) => tokensOf(directory, names, part) };
}

async function tokensOf(directory: string, names: readonly string[], part: string) {
  const tokens: number[] = [];
  for (const name of names.filter((name) => name.startsWith(`moby_${part}_`))) {
    const bytes = await Deno.readFile(`${directory}/${name}`);
    assert.ok(E.isRight(decodeShardHeader(bytes.subarray(0, 1024), bytes.length)));
    tokens.push(...decodeTokens("gpt-2", bytes.subarray(1024)));
  }
  return tokens;
}

async function said(
  paths: readonly string[],
  directory: string,
  name: string,
  options: Partial<TokenizeOptions> = {},
): Promise<string | undefined> {
  const whole = { prefix: "p", validation: 0, shardTokens: 1000, ...options };
  const report = await tokenizeFiles(paths, { directory: `${directory}/${name}`, ...whole })();
  return E.isLeft(report) ? describeError(report.left) : undefined;
}
