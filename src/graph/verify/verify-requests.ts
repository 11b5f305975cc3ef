import type { Diagnostic, Location } from "../../errors/index.js";
import type { Unit } from "../../units/index.js";
import { reachedFrom } from "../reached.js";
import type { Plan } from "../types.js";

/** A request that a module sends before it runs. */
export interface RequestAtLoad {
  /** The word of its topic that names the service. */
  readonly service: string;
  readonly topic: string;
  readonly location: Location;
}

/** The number of units whose order it checks, because each check walks over the plan. */
const WALKS = 500;

/** How many places of requests one warning shows. */
const PLACES = 3;

/**
 * Warnings GRAPH_REQUIRES_UNORDERED: a planned module sends a request to a required service before it runs. No
 * relation in the plan puts the provider of that service first.
 * @param requests the requests of modules before they run, by unit
 */
export function startupRequestWarnings(
  plan: Plan,
  requests: ReadonlyMap<string, readonly RequestAtLoad[]>,
): Diagnostic[] {
  const steps = new Map(plan.steps.map(({ unit }, step) => [unit.name, step]));
  const walked = new Map<string, Uint8Array>();
  const comesBefore = (earlier: string, later: string): boolean | undefined => {
    let reached = walked.get(earlier);
    if (reached === undefined) {
      if (walked.size >= WALKS) return undefined;
      reached = reachedFrom(plan, steps.get(earlier) ?? 0);
      walked.set(earlier, reached);
    }
    return reached[steps.get(later) ?? 0] === 1;
  };
  return plan.steps.flatMap(({ unit }) =>
    [...asked(plan, unit, requests.get(unit.name) ?? [])].flatMap(([service, sent]) => {
      const provider = plan.picks.get(service);
      if (provider === undefined || provider === unit || !steps.has(provider.name)) return [];
      if (comesBefore(provider.name, unit.name) !== false) return [];
      return [
        unordered(plan, unit, { service, provider, sent, isLater: comesBefore(unit.name, provider.name) }),
      ];
    }),
  );
}

/** Requests by the required service that they go to. A request may use another name of its provider. */
function asked(
  plan: Plan,
  unit: Unit,
  requests: readonly RequestAtLoad[],
): Map<string, readonly RequestAtLoad[]> {
  const found = new Map<string, RequestAtLoad[]>();
  if (requests.length === 0) return found;
  const required = new Set(unit.requires);
  const byName = new Map<string, string>();
  for (const service of required) {
    const provider = plan.picks.get(service);
    for (const name of provider === undefined ? [] : [provider.name, ...provider.provides]) {
      if (!byName.has(name)) byName.set(name, service);
    }
  }
  for (const request of requests) {
    const service = required.has(request.service) ? request.service : byName.get(request.service);
    if (service === undefined) continue;
    const known = found.get(service);
    if (known === undefined) found.set(service, [request]);
    else known.push(request);
  }
  return found;
}

interface Unordered {
  readonly service: string;
  readonly provider: Unit;
  readonly sent: readonly RequestAtLoad[];
  /** Whether the plan puts the provider after the unit that sends the request. */
  readonly isLater: boolean | undefined;
}

function unordered(
  { catalog }: Plan,
  unit: Unit,
  { service, provider, sent, isLater }: Unordered,
): Diagnostic {
  const what = provider.name === service ? service : `${service} (${provider.name})`;
  const how = isLater ? `${what} comes later` : `nothing orders ${unit.name} after ${what}`;
  const key = unit.after.length === 0 ? "after" : '"after+"';
  const line = `${key} = ["${service}"]`;
  return {
    code: "GRAPH_REQUIRES_UNORDERED",
    severity: "warning",
    message: `${unit.name} requires ${service} and sends it a request at load, but ${how}`,
    location: catalog.originOf(unit.name, "requires", service)?.location,
    related: sent.slice(0, PLACES).map(({ topic, location }) => ({
      message: `the request ${topic}, before ${unit.name} runs`,
      location,
    })),
    hint: isLater
      ? `send the request once ${unit.name} runs, or reverse the order: ${line}`
      : `add ${line} to ${unit.name}, or send the request once ${unit.name} runs`,
  };
}
