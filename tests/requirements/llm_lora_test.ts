/**
 * What users of LoRA scripts for language models find here: rows D of docs/requirements.md.
 *
 * @module
 */
import assert from "node:assert/strict";
import { requirement } from "../support/foldlog_here.ts";

const GPT = "--set model.layers=1 --set model.heads=2 --set model.channels=8 --set model.context=8";
const SMALL = "--backend wasm --set batch.size=2 --set batch.micro=2 --set evaluate.batches=1";
const BASE = `train llm-base --max-steps 2 ${SMALL} ${GPT}`;
const LORA =
  `train llm-lora --resume auto --max-steps 6 --save-every 2 --set evaluate.every=3 ${SMALL}`;

requirement("D1", "train again finds the run, says where it is, and goes on", async ({ does }) => {
  await does(BASE);
  assert.match(await does(`${LORA} --until 3`), /paused at step 3/);
  assert.match(await does(LORA), /resuming "llm-lora" at step 3 of 6/);
  assert.match(await does(LORA), /complete already at step 6/);
  assert.match(
    await does(LORA.replace("auto", "never")),
    /"llm-lora" stays as it is; starting "llm-lora-2"/,
  );
});
