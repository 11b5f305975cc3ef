import type { FromHost } from "./host-protocol.js";

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = (value) => typeof value === "number";
const isList: Check = (value) => Array.isArray(value);
const isObject: Check = (value) => typeof value === "object" && value !== null;
const isStream: Check = (value) => value === "stdout" || value === "stderr";
const isAnything: Check = () => true;
const orAbsent =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

/**
 * The required fields of each message of a host. Hosts are our own code, of which one is in another language.
 */
const FIELDS: Readonly<Record<FromHost["op"], Readonly<Record<string, Check>>>> = {
  tasks: { file: isText, tasks: isList },
  read: {
    file: isText,
    effects: orAbsent(isList),
    failure: orAbsent(isObject),
    standIns: orAbsent(isList),
    uses: orAbsent(isList),
  },
  end: { task: isText, error: orAbsent(isObject) },
  output: { task: orAbsent(isText), stream: isStream, text: isText },
  print: { text: isText },
  set: { key: isText, value: isAnything },
  setopt: { edit: isObject },
  setenv: { id: isNumber, env: isObject },
  refresh: { id: isNumber },
  fatal: { message: isText, stack: orAbsent(isText) },
};

/** Reads one line of a host; undefined if it is no message of the protocol. */
export function parseFromHost(line: string): FromHost | undefined {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isFromHost(message) ? message : undefined;
}

function isFromHost(message: unknown): message is FromHost {
  if (typeof message !== "object" || message === null || !("op" in message)) return false;
  const { op } = message;
  if (typeof op !== "string" || !isOp(op)) return false;
  const fields = new Map<string, unknown>(Object.entries(message));
  return Object.entries(FIELDS[op]).every(([name, check]) => check(fields.get(name)));
}

function isOp(op: string): op is FromHost["op"] {
  return Object.hasOwn(FIELDS, op);
}
