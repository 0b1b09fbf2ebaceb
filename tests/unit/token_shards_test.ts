import assert from "node:assert/strict";
import { tokenShards } from "../../src/adapters/data/token_shards.ts";
import { encodeShardHeader, encodeTokens } from "../../src/codec/token_shard.ts";
import { counting, writeShard } from "../support/token_shard_files.ts";
import { inTemporaryDirectory } from "../support/temporary_directory.ts";

const OPTIONS = { context: 4, vocabulary: 1000 };

Deno.test("samples are windows of each shard in sorted order, targets the tokens after them", async () => {
  await inTemporaryDirectory(async (directory) => {
    await writeShard(`${directory}/t_000010.bin`, counting(300, 9));
    await writeShard(`${directory}/t_000002.bin`, counting(100, 12), "llama-3"); // 11 after the first: 2 windows
    await writeShard(`${directory}/t_000009.bin`, counting(200, 4)); // too short for a window
    await writeShard(`${directory}/v_000000.bin`, counting(900, 20));
    const { identity, at } = await tokenShards(`${directory}/t_*.bin`, OPTIONS);
    assert.equal(identity.samples, 4);
    assert.deepEqual(identity.files, [
      { name: "t_000002.bin", samples: 2 },
      { name: "t_000009.bin", samples: 0 },
      { name: "t_000010.bin", samples: 2 },
    ]);
    const { tokens, targets } = await at([3, 0, 2, 1, 3]);
    const firsts = [304, 100, 300, 104, 304];
    assert.deepEqual(tokens.shape, [5, 4]);
    assert.deepEqual([...tokens.data], firsts.flatMap((first) => counting(first, 4)));
    assert.deepEqual([...targets.data], firsts.flatMap((first) => counting(first + 1, 4)));
    assert.equal(tokens.dtype, "int32");
  });
});

Deno.test("read in order, batches of B samples are llm.c's batches of B rows", async () => {
  // llm.c's dataloader: a batch at position p has the tokens p to p + B T, and moves by B T.
  const [B, T] = [3, 4];
  await inTemporaryDirectory(async (directory) => {
    const shard = counting(0, 2 * B * T + 1 + T); // and a window that makes no batch
    await writeShard(`${directory}/a.bin`, shard);
    const { at, identity } = await tokenShards(`${directory}/a.bin`, {
      context: T,
      vocabulary: 99,
    });
    for (const batch of [0, 1]) {
      const { tokens, targets } = await at(counting(batch * B, B));
      assert.deepEqual([...tokens.data], shard.slice(batch * B * T, (batch + 1) * B * T));
      assert.deepEqual([...targets.data], shard.slice(batch * B * T + 1, (batch + 1) * B * T + 1));
    }
    assert.equal(identity.samples, 2 * B + 1);
  });
});

Deno.test("tokens beyond 2 GiB of a shard are read where they are, and none but those", async () => {
  const tokens = 3 * 2 ** 29 - 512; // of 2 bytes: 3 GiB with the header
  const context = 1024;
  await inTemporaryDirectory(async (directory) => {
    const path = `${directory}/large.bin`;
    {
      using file = await Deno.open(path, { createNew: true, write: true });
      await file.write(encodeShardHeader({ kind: "gpt-2", tokens }));
      await file.truncate(1024 + 2 * tokens); // a hole: it costs no disk
      for (const sample of [1, 1_300_000]) {
        await file.seek(1024 + 2 * sample * context, Deno.SeekMode.Start);
        await file.write(encodeTokens("gpt-2", counting(sample % 1000, context)));
      }
    }
    assert.ok(1024 + 2 * 1_300_000 * context > 2 ** 31);
    const started = Deno.memoryUsage().rss;
    const source = await tokenShards(path, { context, vocabulary: 50257 });
    assert.equal(source.identity.samples, Math.floor((tokens - 1) / context));
    const batch = await source.at([1_300_000, 1, 1_300_001]);
    assert.deepEqual([...batch.tokens.data.subarray(0, context)], counting(0, context));
    assert.deepEqual([...batch.tokens.data.subarray(context, 2 * context)], counting(1, context));
    assert.deepEqual([...batch.tokens.data.subarray(2 * context)], Array(context).fill(0));
    assert.ok(Deno.memoryUsage().rss - started < 2 ** 29, "a shard was read whole");
  });
});

Deno.test("the digest is of the tokens and not of the names, and sees other sizes, orders and blocks", async () => {
  await inTemporaryDirectory(async (directory) => {
    const digest = async (...shards: readonly (readonly number[])[]) => {
      const place = await Deno.makeTempDir({ dir: directory });
      for (const [i, tokens] of shards.entries()) await writeShard(`${place}/${i}.bin`, tokens);
      return (await tokenShards(`${place}/*.bin`, { context: 4, vocabulary: 60000 })).identity
        .digest;
    };
    const [a, b] = [counting(0, 50_000), counting(9, 40)];
    const first = await digest(a, b);
    assert.equal(await digest(a, b), first);
    const others = await Promise.all([
      digest(b, a),
      digest(a),
      digest(a, b, b),
      digest([...a, 1], b),
      digest([7, ...a.slice(1)], b),
      digest([...a.slice(0, -1), 7], b),
      digest(a, [...b.slice(0, 20), 7, ...b.slice(21)]),
    ]);
    assert.equal(new Set([first, ...others]).size, others.length + 1);
    // What lies between the blocks is caught by the digest of the batch that uses it.
    const between = a.map((token, place) => place === 3000 ? 7 : token);
    assert.equal(await digest(between, b), first);
  });
});

Deno.test("the digest is as docs/format.md says", async () => {
  await inTemporaryDirectory(async (directory) => {
    const tokens = counting(0, 40_000);
    await writeShard(`${directory}/a.bin`, tokens);
    await writeShard(`${directory}/b.bin`, [1, 2, 3, 4, 5]);
    const { identity } = await tokenShards(`${directory}/?.bin`, { context: 4, vocabulary: 60000 });
    const sha = async (bytes: Uint8Array<ArrayBuffer>) =>
      new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    const text = (words: string) => new TextEncoder().encode(words);
    const a = await Deno.readFile(`${directory}/a.bin`);
    const b = await Deno.readFile(`${directory}/b.bin`);
    const blocks = Array.from({ length: 16 }, (_, i) => {
      const start = 1024 + Math.floor((a.length - 5120) * i / 15 / 2) * 2;
      return [...a.subarray(start, start + 4096)];
    }).flat();
    const shards = [
      await sha(Uint8Array.of(...a.subarray(0, 1024), ...text(`${a.length}\n`), ...blocks)),
      await sha(Uint8Array.of(...b.subarray(0, 1024), ...text("1034\n"), ...b.subarray(1024))),
    ];
    assert.equal(identity.digest, await sha(text(shards.map((shard) => `${shard}\n`).join(""))));
  });
});

Deno.test("a token that is not of the vocabulary is refused, at the start or when it is used", async () => {
  await inTemporaryDirectory(async (directory) => {
    const path = `${directory}/a.bin`;
    await writeShard(path, [1, 2, 3, 1000, 5]);
    await assert.rejects(
      tokenShards(path, OPTIONS),
      new RangeError(`Expected tokens below 1000, the vocabulary, in ${path}, found 1000`),
    );
    const long = Array<number>(50_000).fill(1);
    long[3001] = 1000;
    await writeShard(path, long);
    const source = await tokenShards(path, OPTIONS);
    await source.at([749]);
    assert.throws(
      () => source.at([750]),
      new RangeError(
        `Expected tokens below 1000, the vocabulary, in ${path}, found 1000 at token 3001`,
      ),
    );
  });
});

Deno.test("what is no shard, or too short, or has become so, is refused by name", async () => {
  await inTemporaryDirectory(async (directory) => {
    const path = `${directory}/a.bin`;
    await Deno.writeTextFile(path, "text");
    await assert.rejects(
      tokenShards(path, OPTIONS),
      new RangeError(
        `Cannot read the tokens at ${path}: the header is cut off: expected 1024 bytes, found 4`,
      ),
    );
    await writeShard(path, [1, 2, 3, 4]);
    await assert.rejects(
      tokenShards(path, OPTIONS),
      new RangeError(
        `Expected a shard of at least 5 tokens in ${path} for a context of 4, found at most 4`,
      ),
    );
    await writeShard(path, counting(0, 50));
    const source = await tokenShards(path, OPTIONS);
    await Deno.truncate(path, 1024 + 20);
    assert.throws(
      () => source.at([3]),
      new RangeError(
        `Expected 5 tokens of ${path} from token 12 on, found the end of the file: it has become ` +
          "shorter",
      ),
    );
    await Deno.mkdir(`${directory}/b.bin`);
    await assert.rejects(tokenShards(`${directory}/b.bin`, OPTIONS), /found no regular file/);
  });
});
