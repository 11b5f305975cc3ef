import type { Diagnostic } from "../errors/index.js";
import {
  type Facts,
  type LoadedModule,
  type LoadOrder,
  phaseRequest,
  type Plan,
  plan,
} from "../graph/index.js";
import { fields, type Handle, type JsonValue } from "../messages/index.js";
import type { RcReading } from "../rc/index.js";
import type { Catalog, Runlevel } from "../units/index.js";
import { contentsOf } from "./phase-contents.js";

/** The loaded modules, and the order in which the broker would remove them. */
export interface RecordedModules {
  readonly loaded: readonly LoadedModule[];
  readonly order: LoadOrder;
}

/** Requests from the broker the recorded order, and how long each removal may take. */
export async function recordedModules(
  handle: Handle,
  loaded: readonly LoadedModule[],
): Promise<RecordedModules> {
  const answer = fields(await handle.rpc("module.order"), {
    nodes: "string[]",
    offsets: "array",
    targets: "array",
    timeoutsMs: "array",
  });
  const order = {
    nodes: answer.nodes,
    offsets: Uint32Array.from(answer.offsets, Number),
    targets: Uint32Array.from(answer.targets, Number),
  };
  const timeouts = new Map(answer.nodes.map((name, i) => [name, answer.timeoutsMs[i]]));
  const withTimeouts = loaded.map((module) => ({
    ...module,
    timeoutMs: timeoutOf(timeouts.get(module.name)),
  }));
  return { loaded: withTimeouts, order };
}

function timeoutOf(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

interface StopInput extends RecordedModules {
  readonly facts: Facts;
  readonly runlevel: Runlevel | undefined;
  readonly rc: RcReading;
  /** The groups of which the instance consists; none: it has all units. */
  readonly groups?: readonly string[] | undefined;
}

/** A plan for the shutdown, and the tasks that it could not include. */
export interface SoundPlan {
  readonly plan: Plan;
  readonly diagnostics: readonly Diagnostic[];
  /** Each task that is left out, and why. */
  readonly missing: readonly string[];
}

/** Plans a stop in any case. It leaves out tasks that cannot be planned: first the faulty ones, then all. */
export function planStop(catalog: Catalog, input: StopInput): SoundPlan {
  const { facts, rc, loaded, order, runlevel, groups } = input;
  const contents = { ...contentsOf(rc), load: [], remove: "all", groups } as const;
  const request = phaseRequest(catalog, contents, runlevel);
  if (!request.ok || request.value.kind !== "stop")
    throw new TypeError("the plan of a shutdown is not a stop plan");
  const stop = request.value;
  const given = { facts, loaded, order, enabled: rc.enabled };
  const whole = plan(catalog, { request: stop, ...given });
  if (whole.ok) return { plan: whole.value, diagnostics: whole.warnings, missing: [] };
  const isSound = (root: string): boolean =>
    plan(catalog, { request: { ...stop, roots: [root] }, ...given }).ok;
  const sound = stop.roots.filter(isSound);
  for (const roots of [sound, []]) {
    const rest = plan(catalog, {
      request: { ...stop, roots },
      ...given,
      ...(roots.length === 0 && { enabled: [] }),
    });
    if (!rest.ok) continue;
    const lost = stop.roots.filter((root) => !roots.includes(root));
    const missing = lost.map((root) => `${root}: not run, because its plan failed`);
    return { plan: rest.value, diagnostics: [...whole.diagnostics, ...rest.warnings], missing };
  }
  // Without tasks only the record remains, which has no cycle.
  throw new TypeError("the recorded order of the modules has a cycle");
}
