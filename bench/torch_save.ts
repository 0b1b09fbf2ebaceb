import { startLineChild } from "./line_child.ts";

/** Saves the same bytes again and again, as a peer would. */
export interface SavingPeer extends AsyncDisposable {
  readonly name: string;
  /** Milliseconds to save so many tensors of so many floats each, until they are durable. */
  readonly save: (tensors: number, floats: number, path: string) => Promise<number>;
}

const SCRIPT = `
import os, sys, time, torch
print("ready", flush=True)
states = {}
for line in sys.stdin:
    tensors, floats, path = line.split(" ", 2)
    key = (int(tensors), int(floats))
    if key not in states:
        states = {key: {f"t{i}": torch.randn(key[1]) for i in range(key[0])}}
    state = states[key]
    for tensor in state.values():
        tensor.add_(1)
    start = time.perf_counter()
    with open(path.strip(), "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    print(1000 * (time.perf_counter() - start), flush=True)
`;

/** `torch.save` and fsync in Python, where torch is installed; else a bare write and fsync. */
export async function savingPeer(): Promise<SavingPeer> {
  return await torchSave() ?? bareWrite();
}

async function torchSave(): Promise<SavingPeer | undefined> {
  const child = await startLineChild("/usr/bin/python3", ["-c", SCRIPT]);
  if (child.greeting !== "ready") {
    await child[Symbol.asyncDispose]();
    return undefined;
  }
  return {
    name: "torch.save and fsync of as many bytes",
    save: async (tensors, floats, path) => Number(await child.ask(`${tensors} ${floats} ${path}`)),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

function bareWrite(): SavingPeer {
  return {
    name: "a bare write and fsync of as many bytes (python3-torch is not installed)",
    save: async (tensors, floats, path) => {
      const bytes = new Uint8Array(4 * floats).fill(7);
      const start = performance.now();
      using file = await Deno.open(path, { create: true, truncate: true, write: true });
      for (let tensor = 0; tensor < tensors; tensor++) {
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      }
      await file.sync();
      return performance.now() - start;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
