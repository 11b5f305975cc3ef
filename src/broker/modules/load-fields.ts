import { requestError } from "../../errors/index.js";
import { checkModuleOptions, MODULE_OPTION_FIELDS } from "../../loaders/index.js";
import { type JsonValue, type Payload, requestFields } from "../../messages/index.js";
import type { LoadRequest } from "./module-entry.js";
import type { LoadOrder } from "./take-down-order.js";

const LOAD = {
  path: "string",
  name: "string?",
  args: "string[]?",
  explicit: "boolean?",
  insecure: "boolean?",
  ...MODULE_OPTION_FIELDS,
  plan: "integer?",
  digest: "string?",
  requires: "string[]?",
  timeoutMs: "number?",
  unitArgs: "string[]?",
  ofStart: "boolean?",
} as const;

const ORDER = { nodes: "string[]", offsets: "array", targets: "array" } as const;

/**
 * Reads the fields of a request to load a module.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` or `EINVAL` for an invalid field
 */
export function readLoad(payload: Payload): LoadRequest {
  return checkModuleOptions(requestFields(payload, LOAD));
}

/**
 * Reads the order of a plan.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` if something in it is no whole number
 */
export function readOrder(payload: Payload): LoadOrder {
  const { nodes, offsets, targets } = requestFields(payload, ORDER);
  return { nodes, offsets: numbersIn(offsets), targets: numbersIn(targets) };
}

function numbersIn(values: readonly JsonValue[]): Uint32Array {
  const isSound = (value: JsonValue): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;
  if (!values.every(isSound))
    throw requestError("EPROTO", "the order of a plan must consist of whole numbers");
  return Uint32Array.from(values);
}
