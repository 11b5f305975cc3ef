import type { Diagnostic, Origin } from "../errors/index.js";
import { isUnknown, serviceName, unitAt, unitId } from "./catalog-index.js";
import { isOnAnyRank } from "./facts.js";
import { knownModule, withForeignModules } from "./loaded.js";
import type { Membership } from "./membership.js";
import type { UnorderedSteps } from "./order.js";
import { NO_PROVIDER, pickProviders } from "./pick.js";
import {
  type SituationBasis,
  situationForLoad,
  situationForStart,
  situationForStop,
} from "./request-situation.js";
import { reasonText } from "./reason-text.js";
import { Reasons } from "./reasons.js";
import { type UnknownName, unknownNameErrors } from "./request-names.js";
import { eachRequestedService, unknownRequirements } from "./requested-services.js";
import type { Situation } from "./situation.js";
import type { Facts, LoadOrder, PlanRequest } from "./types.js";

/** The inputs of a plan besides its request. */
export interface PlanBasis extends SituationBasis {
  /** The origin of each root, by its name. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** The recorded order in which a stop removes the running modules. */
  readonly order: LoadOrder | undefined;
}

/** A request for which the planner picks units. A removal depends on the loaded modules instead. */
export type PickingRequest = Exclude<PlanRequest, { readonly kind: "remove" }>;

/** The units that a request may use, and the action for each unit that comes into the plan. */
export interface PreparedRequest {
  readonly situation: Situation;
  readonly draft: (membership: Membership) => PlanDraft;
}

/** Members of a plan that do not have their steps yet. */
export interface PlanDraft {
  /** Units with an action. */
  readonly unordered: UnorderedSteps;
  readonly errors: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** Works out which units a request may use, from their conditions and from the names in the request. */
export function prepareRequest(basis: PlanBasis, request: PickingRequest): PreparedRequest {
  switch (request.kind) {
    case "start":
      return prepareStart(basis, request);
    case "load":
      return prepareLoad(basis, request);
    case "stop":
      return prepareStop(basis, request);
  }
}

type RequestOf<Kind extends PlanRequest["kind"]> = Extract<PlanRequest, { kind: Kind }>;

function prepareStart(basis: PlanBasis, request: RequestOf<"start">): PreparedRequest {
  const { situation, unknown } = situationForStart(basis, request.roots);
  return {
    situation,
    draft: (membership) => {
      const picks = situation.roots.services.map((service) => membership.picks[service] ?? NO_PROVIDER);
      return {
        unordered: bringUp(situation, membership, new Set(picks)),
        errors: unknownErrors(basis, [...unknown, ...unknownRequirements(situation, membership)]),
        warnings: [],
      };
    },
  };
}

function prepareLoad(basis: PlanBasis, request: RequestOf<"load">): PreparedRequest {
  const { situation, unknown, named, tasks } = situationForLoad(basis, request.modules);
  return {
    situation,
    draft: (membership) => ({
      unordered: bringUp(situation, membership, named),
      errors: [
        ...unknownErrors(basis, [...unknown, ...unknownRequirements(situation, membership)]),
        ...tasks.map(notAModule),
      ],
      warnings: [
        ...[...named].flatMap((unit) => unmetNeeds(situation, membership, unit)),
        ...missingRequirements(situation, membership, basis.facts),
      ],
    }),
  };
}

/** The members that are not loaded yet, each with its action: load or run. */
function bringUp(
  situation: Situation,
  { members }: Membership,
  explicit: ReadonlySet<number>,
): UnorderedSteps {
  const { index, loaded } = situation;
  return {
    units: selectUnits(index.unitCount, (unit) => members[unit] === 1 && loaded[unit] === 0),
    isReversed: new Uint8Array(index.unitCount),
    stepOf: (id) => {
      const unit = unitAt(index, id);
      return unit.kind === "module"
        ? { action: "load", unit, explicit: explicit.has(id) }
        : { action: "run", unit };
    },
  };
}

function prepareStop(given: PlanBasis, request: RequestOf<"stop">): PreparedRequest {
  const names = request.remove === "all" || request.remove === "none" ? [] : request.remove;
  const foreign = given.loaded.filter(
    ({ name }) =>
      knownModule(given.catalog, name) === undefined && (request.remove === "all" || names.includes(name)),
  );
  const basis = { ...given, catalog: withForeignModules(given.catalog, foreign) };
  const { situation, unknown } = situationForStop(basis, request.roots);
  const { loaded } = situation;
  const removed = request.remove === "all" ? loaded : namedForRemoval(situation, names);
  return {
    situation,
    draft: (membership) => ({
      unordered: takeDown(situation, membership, removed),
      errors: unknownErrors(basis, [...unknown, ...unknownRequirements(situation, membership)]),
      warnings: unknownRemovals(basis, situation, names),
    }),
  };
}

/** The modules to remove, and the tasks among the members. */
function takeDown(
  { index, loaded }: Situation,
  { members }: Membership,
  removed: Uint8Array,
): UnorderedSteps {
  return {
    units: selectUnits(
      index.unitCount,
      (unit) => removed[unit] === 1 || (members[unit] === 1 && loaded[unit] === 0),
    ),
    isReversed: removed,
    stepOf: (id) => {
      const unit = unitAt(index, id);
      return unit.kind === "module" ? { action: "remove", unit } : { action: "run", unit };
    },
  };
}

/** Names to remove that neither the catalog nor a running module has. At shutdown these are no errors. */
function unknownRemovals(basis: PlanBasis, { index }: Situation, names: readonly string[]): Diagnostic[] {
  const unknown = names.filter((name) => isUnknown(index, name) && !isRegistered(basis, name));
  return unknownErrors(
    basis,
    unknown.map((name) => ({ name, origin: undefined })),
    // An unknown name must not prevent the removal of the others.
  ).map((diagnostic) => ({ ...diagnostic, severity: "warning" }));
}

/** The numbers of the selected units, ascending. */
function selectUnits(count: number, isMeant: (unit: number) => boolean): Uint32Array {
  const selected = new Uint32Array(count);
  let found = 0;
  for (let unit = 0; unit < count; unit++) if (isMeant(unit)) selected[found++] = unit;
  return selected.subarray(0, found);
}

/** Modules to remove in a stop: the running ones of the named modules. An ended one is no error. */
function namedForRemoval(situation: Situation, names: readonly string[]): Uint8Array {
  const { index, loaded } = situation;
  const removed = new Uint8Array(index.unitCount);
  const picks = pickProviders(situation, loaded);
  for (const name of names) {
    const unit = unitId(index, name);
    const target = unit >= 0 && loaded[unit] === 1 ? unit : (picks[index.serviceIds.get(name) ?? -1] ?? -1);
    if (target >= 0 && loaded[target] === 1) removed[target] = 1;
  }
  return removed;
}

function isRegistered({ loaded }: SituationBasis, name: string): boolean {
  return loaded.some((module) => module.name === name || module.services.includes(name));
}

function unknownErrors({ catalog, origins }: PlanBasis, names: readonly UnknownName[]): Diagnostic[] {
  return unknownNameErrors(
    catalog,
    names.map((unknown) => ({ ...unknown, origin: unknown.origin ?? origins.get(unknown.name) })),
  );
}

function notAModule(name: string): Diagnostic {
  return {
    code: "GRAPH_UNKNOWN_NAME",
    severity: "error",
    message: `${name} is a task, not a module`,
    related: [],
    hint: "tasks run in rc1, rc3 or by `run`",
  };
}

/** The warning about a module that is loaded by name without its needs (docs/design/planning.md §6). */
function unmetNeeds({ index, loaded, served }: Situation, { members }: Membership, id: number): Diagnostic[] {
  if (loaded[id] === 1) return [];
  const unmet = [...index.needs.row(id)].filter(
    (service) => served[service] === 0 && !index.providers.row(service).some((unit) => members[unit] === 1),
  );
  if (unmet.length === 0) return [];
  const { name } = unitAt(index, id);
  const names = unmet.map((service) => serviceName(index, service));
  const origin = index.catalog.originOf(name, "needs", names[0]);
  return [
    {
      code: "GRAPH_NEEDS_UNMET",
      severity: "warning",
      message: `${name} needs ${names.join(", ")}, not loaded; a load of a module by name does not check its needs`,
      location: origin?.location,
      related: [],
    },
  ];
}

/**
 * Finds requirements of the modules to load that stay out because of their own conditions. A requirement for other
 * ranks of the instance is not missing, because requests reach it on those ranks.
 */
function missingRequirements(situation: Situation, membership: Membership, facts: Facts): Diagnostic[] {
  const { index, loaded, served } = situation;
  const { members, picks } = membership;
  const reasons = new Reasons(situation, membership, facts);
  const found: Diagnostic[] = [];
  const asked = new Set<number>();
  eachRequestedService(situation, membership, (service, asker) => {
    if (asker === undefined || loaded[asker] === 1 || served[service] === 1 || asked.has(service)) return;
    asked.add(service);
    const pick = picks[service] ?? NO_PROVIDER;
    if (pick < 0 || members[pick] === 1) return;
    const reason = reasons.of(pick);
    if (reason.kind === "rank" && isOnAnyRank(unitAt(index, pick), facts.size)) return;
    const { name } = unitAt(index, asker);
    const required = serviceName(index, service);
    const provider = unitAt(index, pick).name;
    const which = provider === required ? required : `${required} (${provider})`;
    found.push({
      code: "GRAPH_NEEDS_UNMET",
      severity: "warning",
      message: `${name} requires ${which}, which stays out: ${reasonText(reason)}`,
      location: index.catalog.originOf(name, "requires", required)?.location,
      related: [],
      hint: `'load ${provider}' ignores conditions`,
    });
  });
  return found;
}
