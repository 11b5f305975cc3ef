import { didYouMean, requestError } from "../errors/index.js";
import type { JsonValue, Payload } from "./types.js";

interface FieldTypes {
  string: string;
  number: number;
  integer: number;
  boolean: boolean;
  "string[]": readonly string[];
  object: Readonly<Record<string, JsonValue>>;
  array: readonly JsonValue[];
  json: JsonValue;
}

type FieldKind = keyof FieldTypes;

/** Names of fields and their kinds. A `?` at the end of a kind marks a field that may be left out. */
export type FieldSpec = Readonly<Record<string, FieldKind | `${FieldKind}?`>>;

type FieldValue<K extends string> = K extends `${infer Base extends FieldKind}?`
  ? FieldTypes[Base] | undefined
  : K extends FieldKind
    ? FieldTypes[K]
    : never;

/** The type of the result of {@link fields} for a spec. */
export type Fields<S extends FieldSpec> = { readonly [K in keyof S]: FieldValue<S[K]> };

/** For each kind, how to recognise it, and its name in messages. */
const KINDS: Readonly<Record<FieldKind, readonly [test: (value: unknown) => boolean, label: string]>> = {
  string: [(value) => typeof value === "string", "a string"],
  number: [(value) => typeof value === "number", "a number"],
  integer: [(value) => Number.isSafeInteger(value), "an integer"],
  boolean: [(value) => typeof value === "boolean", "true or false"],
  "string[]": [
    (value) => Array.isArray(value) && value.every((item) => typeof item === "string"),
    "an array of strings",
  ],
  object: [isObject, "an object"],
  array: [(value) => Array.isArray(value), "an array"],
  json: [() => true, "a JSON value"],
};

/**
 * Checks the payload of a request and returns its fields with their types. Drops fields that are not in the
 * spec. `null` in an optional field counts as missing, because Python programs send it. `json` fields
 * keep `null`.
 *
 * ```ts
 * const { name, args } = fields(request.payload, { name: "string", args: "string[]?" });
 * ```
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO`, if the payload is not an object, or a field is missing or has
 *   another type. The text names the field
 */
export function fields<const S extends FieldSpec>(payload: Payload, spec: S): Fields<S> {
  const source: unknown = payload ?? {};
  if (!isObject(source)) throw requestError("EPROTO", "payload must be an object");
  const result: Record<string, unknown> = {};
  for (const [name, declared] of Object.entries(spec)) {
    result[name] = readField(name, declared, Object.hasOwn(source, name) ? source[name] : undefined);
  }
  return result as Fields<S>;
}

/**
 * The same for a request. An unknown field is an error too, so that misspelt names fail.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` as {@link fields}, and for an unknown field
 */
export function requestFields<const S extends FieldSpec>(payload: Payload, spec: S): Fields<S> {
  const result = fields(payload, spec);
  const names = Object.keys(spec);
  const unknown = Object.keys((payload ?? {}) as object).filter((name) => !Object.hasOwn(spec, name));
  if (unknown.length === 0) return result;
  const texts = unknown.map((name) => {
    const hint = didYouMean(name, names);
    return `unknown field '${name}'${hint === undefined ? "" : `; ${hint}`}`;
  });
  throw requestError("EPROTO", texts.join("; "));
}

function readField(name: string, declared: FieldSpec[string], value: unknown): unknown {
  const optional = declared.endsWith("?");
  const kind = (optional ? declared.slice(0, -1) : declared) as FieldKind;
  if (value === undefined || (value === null && optional && kind !== "json")) {
    if (optional) return undefined;
    throw requestError("EPROTO", `payload lacks '${name}'`);
  }
  const [matches, label] = KINDS[kind];
  if (!matches(value)) throw requestError("EPROTO", `'${name}' must be ${label}`);
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}
