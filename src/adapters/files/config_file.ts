import type { TaskEither } from "fp-ts/TaskEither.js";
import type { ConfigFile, ConfigFileError } from "../../codec/config_file_codec.ts";
import { decodeUtf8 } from "../../codec/utf8.ts";
import { fail } from "../../ports/attempt.ts";
import { readRegular } from "./regular_file.ts";
import { guarded } from "./system_error.ts";

/** The most bytes of a config file: what is longer is another file, named by mistake. */
const LONGEST = 2 ** 20;

/** Reads a config file as text, under a name that ends as its own. Fails with ConfigUnreadable. */
export function readConfigFile(
  path: string,
  name = path,
): TaskEither<ConfigFileError, ConfigFile> {
  const unreadable = (reason: string): ConfigFileError => (
    { type: "ConfigUnreadable", file: name, reason }
  );
  return guarded(unreadable, async () => {
    const found = await readRegular(path, { least: 0, most: LONGEST });
    if (found.type === "NoFile") return fail(unreadable("there is no such file"));
    if (found.type === "Misfit") return fail(unreadable(found.reason));
    const text = decodeUtf8(found.bytes);
    return text === undefined ? fail(unreadable("it is not UTF-8")) : { name, text };
  });
}
