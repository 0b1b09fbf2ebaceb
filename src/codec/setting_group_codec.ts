import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { RunConfig } from "../core/config.ts";
import { type Setting, settings } from "../core/config_path.ts";
import { decoder } from "./decoders.ts";

/** What stands where a setting has a name that the config does not have. */
export const noSuchSetting: t.Decoder<unknown, never> = decoder<never>(
  "no such setting",
  () => undefined,
);

const once = decoder<never>("given once", () => undefined);
const named = decoder("settings by their names", (value) => isRecord(value) ? value : undefined);

const LEAVES: Readonly<Record<string, t.Decoder<unknown, Setting>>> = {
  number: decoder("a number", (value) => typeof value === "number" ? value : undefined),
  string: decoder("a text", (value) => typeof value === "string" ? value : undefined),
  boolean: decoder("true or false", (value) => typeof value === "boolean" ? value : undefined),
};

/**
 * Settings as people write them, in groups (`optimizer: { learningRate: 0.001 }`) or by dotted names
 * (`optimizer.learningRate: 0.001`): any of those that a config has, each of the type that it has there.
 *
 * Finds all that is wrong, not the first of it. What is decoded has them by their paths.
 */
export function settingGroups(config: RunConfig): t.Decoder<unknown, ReadonlyMap<string, Setting>> {
  const known = settings(config);
  const groups = new Set(Object.keys(config).filter((name) => !known.has(name)));
  return new t.Type<ReadonlyMap<string, Setting>, unknown, unknown>(
    named.name,
    (_): _ is ReadonlyMap<string, Setting> => false,
    (value, context) => {
      if (!isRecord(value)) return t.failure(value, context);
      const found = new Map<string, Setting>();
      const errors: t.ValidationError[] = [];
      for (const [key, member] of Object.entries(value)) {
        const inKey = t.appendContext(context, key, named, member);
        if (known.has(key) || !isRecord(member)) {
          if (groups.has(key)) errors.push({ value: member, context: inKey });
          else take(key, member, (type) => t.appendContext(context, key, type, member));
          continue;
        }
        const leaves = Object.entries(member);
        if (leaves.length === 0 && !groups.has(key)) take(key, member, () => inKey);
        for (const [name, leaf] of leaves) {
          take(`${key}.${name}`, leaf, (type) => t.appendContext(inKey, name, type, leaf));
        }
      }
      return errors.length === 0 ? t.success(found) : t.failures(errors);

      function take(
        path: string,
        leaf: unknown,
        at: (type: t.Decoder<unknown, unknown>) => t.Context,
      ) {
        const before = known.get(path);
        const type = before === undefined ? noSuchSetting : LEAVES[typeof before]!;
        const decoded = type.validate(leaf, at(type));
        if (E.isLeft(decoded)) errors.push(...decoded.left);
        else if (found.has(path)) errors.push({ value: leaf, context: at(once) });
        else found.set(path, decoded.right);
      }
    },
    (value) => value,
  );
}

/** Whether a value is an object of members, which a list and TOML's dates are not. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== "object") return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
