import { readFileSync } from "node:fs";
import { messageOf, SluiceError } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import { readShape, type Shape } from "./shape.js";

/** The request and response of a method. */
export interface Method {
  readonly request: Shape;
  readonly response: Shape;
  /** Names of the errors that it may return. */
  readonly errors: readonly string[];
}

/** A step of a recorded exchange. */
export type ExchangeStep =
  /** A request and its response, with the fields that it must have. */
  | {
      readonly kind: "request";
      readonly method: string;
      readonly payload: JsonValue;
      readonly expected: Expected;
    }
  /** A request whose answer comes later. */
  | { readonly kind: "open"; readonly method: string; readonly payload: JsonValue; readonly as: string }
  /** The request has no answer yet. */
  | { readonly kind: "waits"; readonly as: string }
  /** Its answer. */
  | { readonly kind: "answer"; readonly as: string; readonly expected: Expected };

export type Expected =
  | { readonly kind: "response"; readonly value: JsonValue }
  | { readonly kind: "error"; readonly errno: string };

export interface Exchange {
  readonly name: string;
  readonly steps: readonly ExchangeStep[];
}

/** The contract of a kind (docs/design/modules.md §6). */
export interface Contract {
  readonly kind: string;
  readonly version: string;
  readonly methods: ReadonlyMap<string, Method>;
  /** The answers of other modules: topic → response. */
  readonly peers: ReadonlyMap<string, JsonValue>;
  readonly exchanges: readonly Exchange[];
}

/**
 * Reads the contract of a kind from a file in JSON.
 * @throws SluiceError `LOAD_LIBRARY` that names the file and the field that is wrong
 */
export function readContract(file: string): Contract {
  try {
    return contractOf(JSON.parse(readFileSync(file, "utf8")) as JsonValue);
  } catch (cause) {
    throw new SluiceError("LOAD_LIBRARY", `${file}: ${messageOf(cause)}`, { cause });
  }
}

function contractOf(value: JsonValue): Contract {
  const read = fields(value, {
    ...{ kind: "string", version: "string", methods: "object" },
    ...{ peers: "object?", exchanges: "array?" },
  });
  if (!/^\d+\.\d+$/.test(read.version)) throw wrong("version", "must be MAJOR.MINOR");
  const methods = new Map(
    Object.entries(read.methods).map(([name, one]) => [name, methodOf(one, `methods.${name}`)]),
  );
  const exchanges = (read.exchanges ?? []).map((one, at) => exchangeOf(one, `exchanges[${at}]`, methods));
  const peers = new Map(Object.entries(read.peers ?? {}));
  return { kind: read.kind, version: read.version, methods, peers, exchanges };
}

function methodOf(value: JsonValue, path: string): Method {
  const { request, response, errors } = fields(value, {
    request: "json",
    response: "json",
    errors: "string[]?",
  });
  return {
    request: readShape(request, `${path}.request`),
    response: readShape(response, `${path}.response`),
    errors: errors ?? [],
  };
}

function exchangeOf(value: JsonValue, path: string, methods: ReadonlyMap<string, Method>): Exchange {
  const { name, steps } = fields(value, { name: "string", steps: "array" });
  const open = new Set<string>();
  return {
    name,
    steps: steps.map((one, at) => {
      const place = `${path}.steps[${at}]`;
      const step = stepOf(one, place);
      if ("method" in step && !methods.has(step.method)) {
        throw wrong(`${place}.request`, `the kind has no method '${step.method}'`);
      }
      if (step.kind === "open") open.add(step.as);
      else if (step.kind !== "request" && !open.has(step.as)) {
        throw wrong(place, `no request is open as '${step.as}'`);
      }
      return step;
    }),
  };
}

function stepOf(value: JsonValue, path: string): ExchangeStep {
  const read = fields(value, {
    ...{ request: "string?", as: "string?", waits: "string?", answer: "string?", error: "string?" },
    ...{ payload: "json?", response: "json?" },
  });
  const expected: Expected =
    read.error === undefined
      ? { kind: "response", value: read.response ?? null }
      : { kind: "error", errno: read.error };
  const payload = read.payload ?? null;
  if (read.waits !== undefined) return { kind: "waits", as: read.waits };
  if (read.answer !== undefined) return { kind: "answer", as: read.answer, expected };
  if (read.request === undefined) throw wrong(path, "must have request, waits or answer");
  if (read.as !== undefined) return { kind: "open", method: read.request, payload, as: read.as };
  return { kind: "request", method: read.request, payload, expected };
}

function wrong(path: string, message: string): SluiceError {
  return new SluiceError("LOAD_LIBRARY", `${path}: ${message}`);
}
