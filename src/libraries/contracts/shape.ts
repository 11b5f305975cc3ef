import type { JsonValue } from "../../messages/index.js";
import { SluiceError } from "../../errors/index.js";

/** The shape of a payload: the part of JSON Schema that contracts of kinds use. */
export interface Shape {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  /** False: no other fields are allowed. */
  readonly additionalProperties?: boolean;
  readonly items?: Shape;
  readonly enum?: readonly JsonValue[];
  readonly minimum?: number;
  /** The payload is raw bytes, in base64 in exchanges; with `type` string, and for a whole payload only. */
  readonly contentEncoding?: "base64";
  readonly description?: string;
}

const TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"];

type Check = (value: JsonValue) => boolean;

const isTexts: Check = (value) => Array.isArray(value) && value.every((item) => typeof item === "string");

const KEYWORDS: Readonly<Record<string, Check>> = {
  type: (value) => (Array.isArray(value) ? value : [value]).every((type) => TYPES.includes(String(type))),
  properties: isTable,
  required: isTexts,
  additionalProperties: (value) => typeof value === "boolean",
  items: isTable,
  enum: (value) => Array.isArray(value),
  minimum: (value) => typeof value === "number",
  contentEncoding: (value) => value === "base64",
  description: (value) => typeof value === "string",
};

/**
 * Reads a shape. A keyword without a check is an error, because it would have no effect.
 * @param path for messages
 * @param isPayload whether it is the shape of a whole payload
 * @throws SluiceError `LOAD_LIBRARY` with the place of the problem
 */
export function readShape(value: JsonValue | undefined, path: string, isPayload = true): Shape {
  if (value === undefined || !isTable(value)) throw wrong(path, "must be a table");
  const { contentEncoding, type } = value;
  if (contentEncoding !== undefined && !(isPayload && type === "string")) {
    throw wrong(`${path}.contentEncoding`, "is valid only for a whole payload of type string");
  }
  for (const [keyword, one] of Object.entries(value)) {
    const isValid = KEYWORDS[keyword];
    if (isValid === undefined)
      throw wrong(`${path}.${keyword}`, `unknown; valid keywords: ${Object.keys(KEYWORDS).join(", ")}`);
    if (!isValid(one)) throw wrong(`${path}.${keyword}`, "invalid value");
  }
  const { properties, items } = value;
  if (properties !== undefined && isTable(properties)) {
    for (const [name, one] of Object.entries(properties)) readShape(one, `${path}.properties.${name}`, false);
  }
  if (items !== undefined) readShape(items, `${path}.items`, false);
  return value;
}

/** The problems of a value: each field with its path from the top. */
export function breachesOf(value: JsonValue, shape: Shape, path = ""): string[] {
  const types = typesOf(shape);
  if (types !== undefined && !types.some((type) => isOfType(value, type))) {
    return [`${path || "payload"}: must be ${types.join(" or ")}, not ${textOf(value)}`];
  }
  const breaches: string[] = [];
  const says = (message: string): void => void breaches.push(`${path || "payload"}: ${message}`);
  if (shape.enum !== undefined && !shape.enum.some((one) => isSame(one, value))) {
    says(`must be one of ${shape.enum.map(textOf).join(", ")}, not ${textOf(value)}`);
  }
  if (shape.minimum !== undefined && typeof value === "number" && value < shape.minimum) {
    says(`must be at least ${shape.minimum}, not ${value}`);
  }
  if (isList(value)) {
    const { items } = shape;
    if (items !== undefined) {
      breaches.push(...value.flatMap((item, at) => breachesOf(item, items, `${path}[${at}]`)));
    }
  } else if (isTable(value)) breaches.push(...fieldBreaches(value, shape, path));
  return breaches;
}

function fieldBreaches(value: Readonly<Record<string, JsonValue>>, shape: Shape, path: string): string[] {
  const { properties = {}, required = [], additionalProperties = true } = shape;
  const place = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const missing = required.filter((name) => value[name] === undefined);
  return [
    ...missing.map((name) => `${place(name)}: missing`),
    ...Object.entries(value).flatMap(([name, one]) => {
      const known = properties[name];
      if (known !== undefined) return breachesOf(one, known, place(name));
      return additionalProperties ? [] : [`${place(name)}: unknown field`];
    }),
  ];
}

/** The types that a shape allows; undefined: all. */
export function typesOf({ type }: Shape): readonly string[] | undefined {
  return type === undefined || typeof type !== "string" ? type : [type];
}

/** The differences between a value and the recorded one. Fields that the record lacks may have any value. */
export function differencesFrom(recorded: JsonValue, value: JsonValue, path = ""): string[] {
  if (isTable(recorded) && isTable(value)) {
    return Object.entries(recorded).flatMap(([name, one]) =>
      differencesFrom(one, value[name] ?? null, path === "" ? name : `${path}.${name}`),
    );
  }
  if (isSame(recorded, value)) return [];
  return [`${path || "payload"}: must be ${textOf(recorded)}, not ${textOf(value)}`];
}

function isOfType(value: JsonValue, type: string): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isTable(value);
    case "integer":
      return Number.isSafeInteger(value);
    default:
      return typeof value === type;
  }
}

function isTable(value: JsonValue): value is Readonly<Record<string, JsonValue>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isSame(a: JsonValue, b: JsonValue): boolean {
  if (isList(a) && isList(b)) {
    return a.length === b.length && a.every((item, at) => isSame(item, b[at] ?? null));
  }
  if (!isTable(a) || !isTable(b)) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => isSame(a[name] ?? null, b[name] ?? null))
  );
}

function textOf(value: JsonValue): string {
  return JSON.stringify(value);
}

function wrong(path: string, message: string): SluiceError {
  return new SluiceError("LOAD_LIBRARY", `${path}: ${message}`);
}
