import * as E from "fp-ts/Either.js";
import type { Compression } from "../adapters/file_objects/compression.ts";
import { fileStore } from "../adapters/file_store.ts";
import { type Durability, parseDurability } from "../core/durability.ts";
import type { Store } from "../ports/store.ts";
import { runsDirectory } from "./context.ts";
import { UsageError } from "./usage_error.ts";

/** What the command line says of the store. */
export interface StoreArguments {
  readonly runs: string | undefined;
  readonly durability?: string | undefined;
  readonly compress?: Compression | undefined;
}

/** The store that the command line names, which keeps what it is given as the command line says. */
export function storeOf({ runs, durability, compress }: StoreArguments): Store {
  return fileStore(runsDirectory(runs), {
    ...(durability !== undefined && { durability: durabilityOf(durability) }),
    ...(compress !== undefined && { compress }),
  });
}

function durabilityOf(text: string): Durability {
  const durability = parseDurability(text);
  if (E.isRight(durability)) return durability.right;
  throw new UsageError(
    `Expected --durability to be ${durability.left}, found "${text}".`,
  );
}
