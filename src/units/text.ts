const SHOWN_LENGTH = 60;

/** A piece of a user's text inside a message: in quotes, and short enough to keep the message readable. */
export function quoted(text: string): string {
  return `'${shortened(text)}'`;
}

/** The start of a text. A megabyte of garbage must not become a megabyte of message. */
export function shortened(text: string, length = SHOWN_LENGTH): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}

/** The type of a value, in the terms of TOML and YAML. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Date) return "a date";
  switch (typeof value) {
    case "string":
      return "a string";
    case "boolean":
      return "a boolean";
    case "bigint":
      return "an integer that is too large";
    case "number":
      if (!Number.isInteger(value)) return "a float";
      return Number.isSafeInteger(value) ? "an integer" : "an integer that is too large";
    default:
      return "a table";
  }
}
