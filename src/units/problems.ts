import { type Diagnostic, didYouMean, type ErrorCode, type Location } from "../errors/index.js";
import { rowOf } from "./keys/keys.js";
import { nameHint } from "./names.js";
import { type Format, formatOf } from "./formats/document.js";
import type { Part, Path, Source } from "./source.js";
import { fieldsOfTable, kindOfField } from "./table-fields.js";
import { quoted, shortened, typeName } from "./text.js";
import type { ValidationError } from "./validator.js";

/** A problem with a value of a document, before its place is computed. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly path: Path;
  /** The end of `key = value` that a caret points at. */
  readonly part: Part;
  /** A function if it needs a search, or the text of the file. Only the report of the problem calls it. */
  readonly hint?: string | ((written: Written) => string | undefined) | undefined;
}

/** The form of a value in its file. */
interface Written {
  readonly format: Format | undefined;
  /** The text in the file; undefined if it takes several lines, or is in no file. */
  readonly text: string | undefined;
}

function writtenAt(location: Location | undefined): Written {
  if (location === undefined) return { format: undefined, text: undefined };
  const { file, line, column, endLine, endColumn, sourceLine } = location;
  const text = line === endLine ? sourceLine?.slice(column - 1, endColumn - 1) : undefined;
  return { format: formatOf(file), text: text === "" ? undefined : text };
}

/** Above this number, it only counts the reports of one file, because a hostile file may cause millions. */
const PROBLEMS_PER_SOURCE = 1000;

/** Problems of one source, with their places. */
export function locateProblems(source: Source, problems: readonly Problem[]): Diagnostic[] {
  const diagnostics = problems.slice(0, PROBLEMS_PER_SOURCE).map(({ code, message, path, part, hint }) => {
    const location = source.locate(path, part);
    const hintText = typeof hint === "function" ? hint(writtenAt(location)) : hint;
    return { code, severity: "error" as const, message, location, related: [], hint: hintText };
  });
  const hidden = problems.length - diagnostics.length;
  const last = diagnostics.at(-1);
  if (hidden > 0 && last !== undefined) {
    diagnostics.push({ ...last, message: `${hidden} more problems in this file`, hint: undefined });
  }
  return diagnostics;
}

/**
 * The errors of a validator, as problems with our own messages.
 * @param errors the errors that the validator left
 * @param value the value that it validated
 * @param base path of that value in its document
 * @param known keys that the table may have, for hints
 */
export function explainErrors(
  errors: readonly ValidationError[] | null | undefined,
  value: unknown,
  base: Path,
  known: readonly string[],
): Problem[] {
  const all = (errors ?? []).slice(0, PROBLEMS_PER_SOURCE + 1);
  // The errors of each branch of a choice would confuse the user. The error of the choice is enough.
  const choices = all.filter((error) => error.keyword === "anyOf");
  const isInChoice = (error: ValidationError) =>
    error.schemaPath?.includes("/oneOf/") === true ||
    // The error of the table names the key; those of the name itself point at the table.
    error.schemaPath?.includes("/propertyNames/") === true ||
    choices.some((choice) => choice !== error && error.instancePath.startsWith(choice.instancePath));
  return all
    .filter((error) => !isInChoice(error))
    .map((error) => explainError(error, follow(value, error.instancePath), base, known));
}

/** A value inside a document, and the key that has the value or contains it as an element. */
interface Place {
  readonly path: Path;
  readonly key: string;
  readonly value: unknown;
}

function follow(root: unknown, pointer: string): Place {
  const path: (string | number)[] = [];
  let key = "";
  let value = root;
  for (const part of pointer.split("/").slice(1)) {
    const step = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(value)) {
      path.push(Number(step));
      value = (value as readonly unknown[])[Number(step)];
    } else {
      path.push(step);
      key = step;
      value = isTable(value) ? value[step] : undefined;
    }
  }
  return { path, key, value };
}

function explainError(error: ValidationError, place: Place, base: Path, known: readonly string[]): Problem {
  const path = [...base, ...place.path];
  const { key, value } = place;
  switch (error.keyword) {
    case "additionalProperties": {
      const unknown = String(error.params["additionalProperty"]);
      const fields = fieldsOfTable(rowOf(key)?.kind ?? "");
      const others = fields && `write one of ${fields.join(", ")}`;
      return unknownKey(unknown, [...path, unknown], fields ?? known, others);
    }
    case "propertyNames":
      return invalidKey(String(error.params["propertyName"]), path);
    case "required":
      return missingKey(String(error.params["missingProperty"]), path);
    case "type":
      return wrongType(key, error.params["type"], value, path);
    case "pattern":
      return { ...explainText(key, String(value)), path, part: "value" };
    case "enum": {
      const allowed = error.params["allowedValues"];
      const words = Array.isArray(allowed) ? allowed.map(String) : [];
      return invalidValue(key, value, path, `write one of ${words.join(", ")}`);
    }
    case "const":
      return invalidValue(key, value, path, `write ${key} = ${String(error.params["allowedValue"])}`);
    case "minimum":
      return invalidValue(key, value, path, `the minimum is ${String(error.params["limit"])}`);
    case "maximum":
      return invalidValue(key, value, path, `the maximum is ${String(error.params["limit"])}`);
    case "minItems":
    case "minLength":
      return invalidValue(key, value, path, "an empty value is invalid");
    case "oneOf":
      return invalidValue(key, value, path, "write either command or plugin");
    case "anyOf":
      return invalidValue(key, value, path, "write a name, or a table with name, and optionally as and args");
    default:
      return invalidValue(key, value, path);
  }
}

/**
 * `invalid config key K`.
 * @param others the hint where no known key is similar
 */
function unknownKey(key: string, path: Path, known: readonly string[], others?: string): Problem {
  const hint = () => similarKey(key, known) ?? others;
  return {
    code: "UNIT_UNKNOWN_KEY",
    message: `invalid config key ${shortened(key)}`,
    path,
    part: "key",
    hint,
  };
}

/** The key that the user may have meant. The time of the search grows with the length of the key. */
export function similarKey(key: string, known: readonly string[]): string | undefined {
  return key.length <= 64 ? didYouMean(key, known) : undefined;
}

/** A key of a table whose keys are the user's own. */
function invalidKey(key: string, path: Path): Problem {
  return {
    code: "UNIT_INVALID_NAME",
    message: `invalid name ${quoted(key)}`,
    path: [...path, key],
    part: "key",
    hint: "a name has at least one character, and no '='",
  };
}

/** `missing required config key 'K'`. */
function missingKey(key: string, path: Path): Problem {
  return { code: "UNIT_MISSING_KEY", message: `missing required config key '${key}'`, path, part: "key" };
}

/** @param expected a type of JSON Schema, or several; `tables` for an array of tables */
export function wrongType(key: string, expected: unknown, value: unknown, path: Path): Problem {
  const isElement = typeof path.at(-1) === "number";
  const wanted = (Array.isArray(expected) ? expected : [expected]).map((type) => TYPE_NAMES[String(type)]);
  const subject = isElement ? `an element of config key ${quoted(key)}` : `config key ${quoted(key)}`;
  return {
    code: "UNIT_WRONG_TYPE",
    message: `wrong type for ${subject}: expected ${wanted.join(" or ")}, got ${typeName(value)}`,
    path,
    part: "value",
    hint: isElement ? elementHint(expected, value) : typeHint({ key, path }, expected, value),
  };
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a string",
  array: "an array of strings",
  tables: "an array of tables",
  integer: "an integer",
  boolean: "a boolean",
  object: "a table",
};

/** An element of a list, such as the 100 in `command = ["sleep", 100]`. */
function elementHint(expected: unknown, value: unknown): Problem["hint"] {
  if (expected !== "string" || typeof value !== "number") return undefined;
  return ({ text }) => `write ${JSON.stringify(shortened(text ?? String(value)))}`;
}

function typeHint(
  { key, path }: { readonly key: string; readonly path: Path },
  expected: unknown,
  value: unknown,
): Problem["hint"] {
  if (expected === "tables") {
    return ({ format }) => (format === undefined || format === "toml" ? `write [[${key}]]` : undefined);
  }
  if (expected === "array" && typeof value === "string") {
    return ({ format }) => `write ${setting(format, key, `[${JSON.stringify(shortened(value))}]`)}`;
  }
  if (expected === "object") return tableHint(key, value);
  if (expected !== "string" || typeof value !== "number") return undefined;
  const kind = kindOfField(rowOf(String(path.at(-2)))?.kind ?? "", key) ?? rowOf(key)?.kind;
  if (kind === "signal") return "write the name of a signal, such as SIGTERM";
  const unit = kind === "duration" ? "s" : "";
  // The text of the file: 1.10 and 0x10 are other names than the numbers 1.1 and 16.
  return ({ format, text }) =>
    `write ${setting(format, key, JSON.stringify(shortened(text ?? String(value)) + unit))}`;
}

/** A table of a unit where another type stands. Other programs have a word in `restart`. */
function tableHint(key: string, value: unknown): Problem["hint"] {
  if (key === "restart" && typeof value === "string") {
    return ({ format }) =>
      `'restart' has the delays; write ${setting(format, "on-failure", '"restart"')} to restart after failures`;
  }
  const fields = fieldsOfTable(rowOf(key)?.kind ?? "");
  return fields && `its keys are ${fields.join(", ")}`;
}

/** `key = value` in the language of the file. */
function setting(format: Format | undefined, key: string, value: string): string {
  if (format === "json") return `"${key}": ${value}`;
  return format === "yaml" ? `${key}: ${value}` : `${key} = ${value}`;
}

/** A text that its key does not accept. */
function explainText(key: string, text: string): Pick<Problem, "code" | "message" | "hint"> {
  if (key.startsWith("needs-")) {
    return {
      code: "UNIT_INVALID_VALUE",
      message: `invalid condition ${quoted(text)} in '${key}'`,
      hint: "write KEY, or !KEY if it must not be set",
    };
  }
  return { code: "UNIT_INVALID_NAME", message: `invalid name ${quoted(text)}`, hint: nameHint(text) };
}

function invalidValue(key: string, value: unknown, path: Path, rule?: string): Problem {
  const shown = typeof value === "string" ? quoted(value) : typeName(value);
  const message = `invalid value for config key '${key}': ${shown}`;
  return { code: "UNIT_INVALID_VALUE", message, path, part: "value", hint: rule };
}

/**
 * A text that the system cannot pass to a program, or take for a path. The message does not show it, because
 * it may be a secret.
 */
export function nulProblem(key: string, path: Path): Problem {
  const message = `invalid value for config key '${key}': NUL character`;
  return { code: "UNIT_INVALID_VALUE", message, path, part: "value" };
}

/** Whether a value of a document is a table. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
