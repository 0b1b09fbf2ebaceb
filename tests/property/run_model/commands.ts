import fc from "fast-check";
import { type ChangeName, changes } from "./model_task.ts";

/**
 * Something that is done to a run. Its numbers are taken modulo what there is: runs, steps, snapshots, so
 * that a command makes sense wherever it stands, and a sequence that is made shorter is a sequence.
 */
export type Command =
  | {
    readonly does: "train";
    readonly run: number;
    /** Steps to take before it pauses; to its end where left out. */
    readonly steps?: number;
    /** A step of the live branch to go on from; its last where left out. */
    readonly at?: number;
    readonly change?: ChangeName;
    readonly dies?: Death;
  }
  | {
    readonly does: "fork";
    readonly run: number;
    readonly at: number;
    readonly weightsOnly: boolean;
    readonly change?: ChangeName;
    readonly dies?: Death;
  }
  | {
    readonly does: "prune";
    readonly run: number;
    readonly keep: { readonly last?: number; readonly every?: number };
    readonly dies?: Death;
  }
  | {
    readonly does: "materialize";
    readonly run: number;
    readonly at: number;
    readonly dies?: Death;
  }
  | { readonly does: "lose"; readonly run: number; readonly snapshot: number }
  | { readonly does: "repair"; readonly run: number; readonly dies?: Death }
  | { readonly does: "collect" };

/** The process is killed: at its n-th operation of a kind, of which this much takes effect. */
export interface Death {
  readonly operation: "append" | "put" | "report";
  readonly n: number;
  readonly effect: "none" | "part" | "whole";
}

const run = fc.nat(2);
const at = fc.nat(11);
const change = fc.constantFrom(...Object.keys(changes) as ChangeName[]);
const dies: fc.Arbitrary<Death> = fc.record({
  operation: fc.constantFrom("append", "append", "put", "report"),
  n: fc.oneof(fc.nat(3), fc.nat(12)),
  effect: fc.constantFrom("none", "part", "whole"),
});

/** Sequences of commands on the runs that the first of them begins. */
export function commands(maxLength: number): fc.Arbitrary<readonly Command[]> {
  return fc.array(command, { minLength: 1, maxLength });
}

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: all("train", { run }, { steps: fc.nat(6), at, change, dies }) },
  { weight: 4, arbitrary: all("train", { run }, { steps: fc.nat(6), dies }) },
  { weight: 2, arbitrary: all("fork", { run, at, weightsOnly: fc.boolean() }, { change, dies }) },
  {
    weight: 2,
    arbitrary: all("prune", {
      run,
      keep: fc.record({
        last: fc.integer({ min: 1, max: 3 }),
        every: fc.integer({ min: 2, max: 4 }),
      }, { requiredKeys: [] }),
    }, { dies }),
  },
  { weight: 2, arbitrary: all("materialize", { run, at }, { dies }) },
  { weight: 2, arbitrary: all("lose", { run, snapshot: fc.nat(4) }, {}) },
  { weight: 1, arbitrary: all("repair", { run }, { dies }) },
  { weight: 1, arbitrary: fc.constant<Command>({ does: "collect" }) },
);

/** Commands with these members, and maybe with those. */
function all<Does extends Command["does"], Always extends object, Maybe extends object>(
  does: Does,
  always: { [K in keyof Always]: fc.Arbitrary<Always[K]> },
  maybe: { [K in keyof Maybe]: fc.Arbitrary<Maybe[K]> },
): fc.Arbitrary<Command> {
  const rest = { ...always, ...maybe } as Record<string, fc.Arbitrary<unknown>>;
  const requiredKeys = Object.keys(always);
  return fc.record(rest, { requiredKeys }).map((members) => ({ does, ...members }) as Command);
}
