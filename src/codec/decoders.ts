import * as E from "fp-ts/Either.js";
import * as t from "io-ts";
import type { DataCursor } from "../core/data_cursor.ts";
import { type Digest, isDigest } from "../core/digest.ts";
import { decodeNumber } from "./float_codec.ts";
import { quoted } from "./quoted.ts";

/** A number that may be NaN, infinite or -0, as `encodeNumber` writes it. */
export const float: t.Decoder<unknown, number> = decoder("number", decodeNumber);

/** A safe integer of at least 0. */
export const count: t.Decoder<unknown, number> = decoder(
  "whole number of at least 0",
  (value) => Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined,
);

/** A safe integer of at least 1. */
export const positive: t.Decoder<unknown, number> = decoder(
  "whole number of at least 1",
  (value) => Number.isSafeInteger(value) && (value as number) >= 1 ? value as number : undefined,
);

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** ISO 8601 in UTC with milliseconds. */
export const time: t.Decoder<unknown, string> = decoder(
  "time such as 2026-01-31T12:00:00.000Z",
  (value) => typeof value === "string" && TIME.test(value) ? value : undefined,
);

/** 64 lower-case hexadecimal digits. */
export const digest: t.Decoder<unknown, Digest> = decoder(
  "SHA-256 digest",
  (value) => typeof value === "string" && isDigest(value) ? value : undefined,
);

/** Lower-case hexadecimal digits, a multiple of `digits` of them, at least one. */
export function hexadecimal(digits: number): t.Decoder<unknown, string> {
  const form = new RegExp(`^(?:[0-9a-f]{${digits}})+$`);
  return decoder(
    `hexadecimal text, ${digits} digits each`,
    (value) => typeof value === "string" && form.test(value) ? value : undefined,
  );
}

/** The two integers of a data cursor. */
export const dataCursor: t.Decoder<unknown, DataCursor> = object({ epoch: count, index: count });

/** A named codec from a function that gives undefined for what it does not accept. */
export function decoder<A>(
  name: string,
  read: (value: unknown) => A | undefined,
): t.Type<A, A, unknown> {
  return new t.Type<A, A, unknown>(
    name,
    (value): value is A => read(value) !== undefined,
    (value, context) => {
      const found = read(value);
      return found === undefined ? t.failure(value, context) : t.success(found);
    },
    (value) => value,
  );
}

/** One of the given strings. */
export function literals<A extends string>(...names: readonly A[]): t.Decoder<unknown, A> {
  return decoder(names.join(" | "), (value) => names.find((name) => name === value));
}

/** An object with exactly these members: an unknown one is refused, since its loss would go unseen. */
export function object<P extends Record<string, t.Decoder<unknown, unknown>>>(
  members: P,
): t.Decoder<unknown, Members<P>> {
  const inner = t.type(members as unknown as t.Props);
  const names = Object.keys(members).sort();
  return new t.Type<Members<P>, Members<P>, unknown>(
    `{ ${names.join(", ")} }`,
    (_): _ is Members<P> => false,
    (value, context) => {
      const decoded = inner.validate(value, context) as t.Validation<Members<P>>;
      if (E.isLeft(decoded)) return decoded;
      const unknown = Object.keys(value as object).find((name) => !Object.hasOwn(members, name));
      return unknown === undefined
        ? decoded
        : t.failure(value, context, `expected no other member than ${names}, found "${unknown}"`);
    },
    (value) => value,
  );
}

/**
 * As `object`, for members that came later: `neutral` has the values with which all is as it was before
 * them. A member with that value is left out of what is written (`withoutNeutral`) and has it when read.
 */
export function laterObject<P extends Record<string, t.Decoder<unknown, unknown>>>(
  members: P,
  neutral: Partial<Members<P>>,
): t.Decoder<unknown, Members<P>> {
  const whole = object(members) as t.Type<Members<P>>;
  return new t.Type<Members<P>, Members<P>, unknown>(
    whole.name,
    (_): _ is Members<P> => false,
    (value, context) => {
      if (value === null || typeof value !== "object") return whole.validate(value, context);
      const written = Object.entries(neutral).find(([name, neutral]) =>
        Object.hasOwn(value, name) && Object.is((value as Record<string, unknown>)[name], neutral)
      );
      if (written === undefined) return whole.validate({ ...neutral, ...value }, context);
      const message = `expected "${written[0]}" to be left out where it is ${written[1]}, found it`;
      return t.failure(value, context, message);
    },
    (value) => value,
  );
}

/** An object whose members' names are as `expected` says: io-ts would leave out the others. */
export function named<A>(
  expected: string,
  isName: (name: string) => boolean,
  member: t.Decoder<unknown, A>,
): t.Decoder<unknown, Readonly<Record<string, A>>> {
  const inner = t.record(t.string, member as t.Type<A>);
  return new t.Type<Readonly<Record<string, A>>, Readonly<Record<string, A>>, unknown>(
    inner.name,
    inner.is,
    (value, context) => {
      const decoded = inner.validate(value, context);
      if (E.isLeft(decoded)) return decoded;
      const other = Object.keys(decoded.right).find((name) => !isName(name));
      if (other === undefined) return decoded;
      return t.failure(value, context, `expected ${expected}, found ${quoted(other)}`);
    },
    (value) => value,
  );
}

/** The members of an object that are not the neutral ones. */
export function withoutNeutral<A extends object>(object: A, neutral: Partial<A>): Partial<A> {
  const members = Object.entries(object).filter(([name, value]) =>
    !Object.hasOwn(neutral, name) || !Object.is(value, neutral[name as keyof A])
  );
  return Object.fromEntries(members) as Partial<A>;
}

/** An object with all members of `required`, and any of `optional`, but with no other. */
export function partly<A>(required: Decoders, optional: Decoders): t.Decoder<unknown, A> {
  const forms = new Map<string, t.Decoder<unknown, unknown>>();
  const whole = object({ ...required, ...optional });
  return new t.Type<A, A, unknown>(
    (whole as t.Type<unknown>).name,
    (_): _ is A => false,
    (value, context) => {
      const present = Object.keys(optional).filter((name) => Object.hasOwn(Object(value), name));
      const form = present.join();
      if (!forms.has(form)) {
        const chosen = present.map((name) => [name, optional[name]!] as const);
        forms.set(form, object({ ...required, ...Object.fromEntries(chosen) }));
      }
      return forms.get(form)!.validate(value, context) as t.Validation<A>;
    },
    (value) => value,
  );
}

/** As a decoder, for values of which `flawOf` finds nothing wrong; else what it says is the message. */
export function refined<A>(
  inner: t.Decoder<unknown, A>,
  flawOf: (value: A) => string | undefined,
): t.Decoder<unknown, A> {
  return new t.Type<A, A, unknown>(
    (inner as t.Type<A>).name,
    (_): _ is A => false,
    (value, context) => {
      const decoded = inner.validate(value, context);
      if (E.isLeft(decoded)) return decoded;
      const flaw = flawOf(decoded.right);
      return flaw === undefined ? decoded : t.failure(value, context, flaw);
    },
    (value) => value,
  );
}

type Decoders = Readonly<Record<string, t.Decoder<unknown, unknown>>>;

type Members<P> = {
  readonly [K in keyof P]: P[K] extends t.Decoder<unknown, infer A> ? A : never;
};

/** The value, or one line that names the first place where it is not what was expected. */
export function decode<A>(codec: t.Decoder<unknown, A>, value: unknown): E.Either<string, A> {
  const decoded = codec.decode(value);
  if (E.isRight(decoded)) return decoded;
  return E.left(describe(decoded.left[0]!));
}

function describe({ context, value, message }: t.ValidationError): string {
  const path = context.map(({ key }) => key).filter((key) => key !== "").join(".");
  const place = path === "" ? "" : ` at "${path}"`;
  const expected = context.at(-1)?.type.name ?? "another value";
  const found = value === undefined ? "nothing" : JSON.stringify(value) ?? typeof value;
  return message ?? `expected ${expected}${place}, found ${found.slice(0, 100)}`;
}
