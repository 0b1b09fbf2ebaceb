import assert from "node:assert/strict";
import { openJournal } from "../../src/app/training/journal.ts";

Deno.test("add() waits until its work is done, when nothing is done aside", async () => {
  const journal = openJournal();
  const done: number[] = [];
  await journal.add(() => later(() => done.push(1)));
  assert.deepEqual(done, [1]);
});

Deno.test("add() does not wait while something is done aside, and keeps the order", async () => {
  const journal = openJournal();
  const done: number[] = [];
  const aside = gate();
  journal.addAside(async () => {
    await aside.opened;
    done.push(1);
  });
  await journal.add(() => later(() => done.push(2)));
  await journal.add(() => later(() => done.push(3)));
  assert.equal(done.length, 0);
  aside.open();
  await journal.drain();
  assert.deepEqual(done, [1, 2, 3]);
  await journal.add(() => later(() => done.push(4)));
  assert.deepEqual(done, [1, 2, 3, 4]);
});

Deno.test("after a failure no work is done, and every wait tells of it", async () => {
  const journal = openJournal();
  const done: number[] = [];
  const failure = new Error("no space left");
  const aside = gate();
  journal.addAside(async () => {
    await aside.opened;
    throw failure;
  });
  await journal.add(() => later(() => done.push(1)));
  aside.open();
  await assert.rejects(journal.drain(), failure);
  await assert.rejects(journal.add(() => later(() => done.push(2))), failure);
  await assert.rejects(journal.drain(), failure);
  assert.deepEqual(done, []);
});

Deno.test("a failure of awaited work is its own, and ends the journal", async () => {
  const journal = openJournal();
  const failure = new Error("diverged");
  await assert.rejects(journal.add(() => Promise.reject(failure)), failure);
  await assert.rejects(journal.add(() => Promise.resolve()), failure);
});

Deno.test("drain() waits for what is under way, though it fails", async () => {
  const journal = openJournal();
  let ended = false;
  journal.addAside(() =>
    later(() => {
      ended = true;
      throw new Error("no space left");
    })
  );
  await assert.rejects(journal.drain(), /no space left/);
  assert.equal(ended, true);
});

async function later(work: () => unknown): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  work();
}

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
