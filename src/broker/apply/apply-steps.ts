import { requestError } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import { readLoad, readOrder } from "../modules/load-fields.js";
import type { LoadRequest } from "../modules/module-entry.js";
import type { LoadOrder } from "../modules/take-down-order.js";

/** A run of a module to be started. */
export interface StartStep {
  readonly action: "load" | "reload" | "restart";
  readonly name: string;
  readonly request: LoadRequest;
  /** Keeps the arguments of the running module, because its unit has the same arguments as before. */
  readonly keepsArgs: boolean;
  /** The apply reports its failure. The other steps continue. */
  readonly optional: boolean;
}

/** The steps of one apply (docs/design/programs.md §3). */
export interface ApplySteps {
  readonly removes: readonly string[];
  readonly starts: readonly StartStep[];
  /** The changes that running modules accept without a new start. */
  readonly amends: readonly { readonly name: string; readonly request: LoadRequest }[];
  /** The order of starts; shutdown uses the reverse order. */
  readonly order: LoadOrder;
  /** If given, the apply starts modules one after the other in this order. */
  readonly sequence: readonly string[] | undefined;
  /** The modules of the plan, and whether a user or a start requested them. */
  readonly planned: ReadonlyMap<string, Standing>;
  /** Whether a failure undoes the finished steps. */
  readonly rollback: boolean;
  /** How long after the last step a failure still counts as a failure of the apply. */
  readonly settleMs: number;
  /** Whether it stays open after the last step, until the client requests to keep or to undo it. */
  readonly held: boolean;
}

/** Whether a user or a start requested a module. */
export interface Standing {
  readonly explicit: boolean;
  readonly ofStart: boolean;
}

const STEPS = {
  removes: "string[]",
  starts: "array",
  amends: "array",
  order: "object",
  sequence: "string[]?",
  planned: "array",
  rollback: "boolean?",
  settleMs: "number?",
  held: "boolean?",
} as const;

const PLANNED = { name: "string", explicit: "boolean", ofStart: "boolean" } as const;

/**
 * Reads the payload of `module.apply-prepare`.
 * @throws SluiceError `BROKER_REQUEST` with `EPROTO` or `EINVAL` for an invalid field
 */
export function applySteps(payload: JsonValue): ApplySteps {
  const read = fields(payload, STEPS);
  const starts = read.starts.map((value): StartStep => {
    const { action, keepsArgs, optional } = fields(value, {
      action: "string",
      keepsArgs: "boolean?",
      optional: "boolean?",
    });
    if (action !== "load" && action !== "reload" && action !== "restart") {
      throw requestError("EINVAL", `no such action '${action}'; valid actions: load, reload, restart`);
    }
    const request = loadRequest(value);
    const own = { keepsArgs: keepsArgs === true, optional: optional === true };
    return { action, name: request.name, request, ...own };
  });
  return {
    removes: read.removes,
    starts,
    amends: read.amends.map((value) => {
      const request = loadRequest(value);
      return { name: request.name, request };
    }),
    order: readOrder(read.order),
    sequence: sequenceOf(starts, read.sequence),
    planned: new Map(
      read.planned.map((value) => {
        const { name, ...standing } = fields(value, PLANNED);
        return [name, standing];
      }),
    ),
    rollback: read.rollback !== false,
    settleMs: read.settleMs ?? 0,
    held: read.held === true,
  };
}

/** A sequence contains each module to start exactly once. */
function sequenceOf(
  starts: readonly StartStep[],
  sequence: readonly string[] | undefined,
): readonly string[] | undefined {
  const names = new Set(starts.map(({ name }) => name));
  const isWhole = sequence?.length === names.size && new Set(sequence).size === names.size;
  if (sequence === undefined || (isWhole && sequence.every((name) => names.has(name)))) return sequence;
  throw requestError("EINVAL", "sequence: must have the name of each module to start, once");
}

function loadRequest(value: JsonValue): LoadRequest & { readonly name: string } {
  const read = readLoad(fields(value, { request: "object" }).request);
  if (read.name === undefined) throw requestError("EPROTO", "a step needs the name of its module");
  return { ...read, name: read.name };
}
