import { requestError } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import { decodeKey } from "./key.js";
import { counterValue, type Entry } from "./node.js";

/** The first line of a dump: `{"sluice":"kvs-dump","format":1,"version":V,"time":T}`. */
export interface DumpHeader {
  readonly version: number;
}

/** A line of a dump after the first. */
export type DumpLine =
  | { readonly kind: "key"; readonly key: string; readonly value: JsonValue; readonly isCounter: boolean }
  /** The last line. A dump without it was cut short. */
  | { readonly kind: "end"; readonly keys: number };

const FORMAT = 1;

export function headerLine(version: number, time: number): string {
  return `${JSON.stringify({ sluice: "kvs-dump", format: FORMAT, version, time })}\n`;
}

/** @param text the value as JSON */
export function keyLine(encoded: string, text: string, entry: Entry): string {
  const counter = counterValue(entry) === undefined ? "" : ',"counter":true';
  return `{"key":${JSON.stringify(decodeKey(encoded))},"value":${text}${counter}}\n`;
}

export function endLine(keys: number): string {
  return `${JSON.stringify({ end: true, keys })}\n`;
}

/** @throws `EINVAL` if the line is not the first line of a dump, or has a newer format */
export function parseHeader(line: string): DumpHeader {
  const header = parseLine(line, 1);
  const { sluice, format, version } = fields(header, {
    sluice: "string?",
    format: "integer?",
    version: "integer?",
  });
  if (sluice !== "kvs-dump" || format === undefined || version === undefined) {
    throw requestError(
      "EINVAL",
      "line 1: not the beginning of a dump (write one with: sluice kvs dump FILE)",
    );
  }
  if (format > FORMAT)
    throw requestError("EINVAL", `line 1: format ${format} is of a newer version of Sluice`);
  return { version };
}

/**
 * @param number the number of the line, for messages
 * @throws `EINVAL`
 */
export function parseDumpLine(line: string, number: number): DumpLine {
  const { key, value, counter, end, keys } = fields(parseLine(line, number), {
    key: "string?",
    value: "json?",
    counter: "boolean?",
    end: "boolean?",
    keys: "integer?",
  });
  if (end === true && keys !== undefined) return { kind: "end", keys };
  if (key === undefined || value === undefined) {
    throw requestError("EINVAL", `line ${number}: expected {"key": …, "value": …}`);
  }
  return { kind: "key", key, value, isCounter: counter === true && Number.isSafeInteger(value) };
}

function parseLine(line: string, number: number): JsonValue {
  try {
    return JSON.parse(line) as JsonValue;
  } catch (error) {
    throw requestError("EINVAL", `line ${number}: not JSON`, error);
  }
}
