import { type Diagnostic, fail, type Origin, type Result, succeed } from "../errors/index.js";
import type { Catalog, Unit } from "../units/index.js";
import { orderSteps, orderStepsAsRecorded } from "./arrange.js";
import { requestedPicks, unknownRequirements } from "./requested-services.js";
import { assemblePlan } from "./assemble.js";
import { isUnknown, serviceName, unitAt, unitId } from "./catalog-index.js";
import { Explainer, explainRemoval } from "./explain.js";
import { completeFacts } from "./facts.js";
import { knownModule, withForeignModules } from "./loaded.js";
import { NO_PROVIDER, pickProviders } from "./pick.js";
import { Reasons } from "./reasons.js";
import { planRemoval } from "./removal.js";
import {
  type SituationBasis,
  situationForLoad,
  situationForStart,
  situationForStop,
} from "./request-situation.js";
import { type Membership, decideMembership } from "./membership.js";
import type { Situation } from "./situation.js";
import type { LoadOrder, Plan, PlanInput, PlanRequest, Step } from "./types.js";
import { type UnknownName, unknownNameErrors } from "./unknown-names.js";

/**
 * Plans: which units, in which order, and why not the others. A pure function; the same input gives the same plan to
 * the byte (docs/design/planning.md §3–6).
 *
 * @param catalog all units, as composed
 * @param input what to plan (or just the roots of a start), and the facts
 * @returns the plan, perhaps with warnings GRAPH_NEEDS_UNMET (a module named to be loaded lacks a need) and
 *   GRAPH_UNKNOWN_NAME (a stop was to remove what nothing knows); or all errors at once: GRAPH_UNKNOWN_NAME (a root, a
 *   named module, or in the `requires` of a planned unit), GRAPH_CYCLE (one for each component), GRAPH_IN_USE,
 *   GRAPH_NOT_LOADED
 */
export function plan(catalog: Catalog, input: PlanInput): Result<Plan> {
  const request = input.request ?? { kind: "start", roots: input.roots };
  const basis: PlanBasis = {
    catalog,
    facts: completeFacts(input.facts),
    loaded: input.loaded ?? [],
    enabled: input.enabled ?? [],
    origins: input.origins ?? new Map<string, Origin>(),
    order: input.order,
  };
  switch (request.kind) {
    case "start":
      return planStart(basis, request);
    case "stop":
      return planStop(basis, request);
    case "load":
      return planLoad(basis, request);
    case "remove":
      return planRemove(basis, request);
  }
}

interface PlanBasis extends SituationBasis {
  readonly origins: ReadonlyMap<string, Origin>;
  readonly order: LoadOrder | undefined;
}

type RequestOf<Kind extends PlanRequest["kind"]> = Extract<PlanRequest, { kind: Kind }>;

function planStart(basis: PlanBasis, request: RequestOf<"start">): Result<Plan> {
  const { situation, unknown } = situationForStart(basis, request.roots);
  const membership = decideMembership(situation);
  const explicit = new Set(
    situation.roots.services.map((service) => membership.picks[service] ?? NO_PROVIDER),
  );
  return finishMembers(basis, request, {
    situation,
    membership,
    units: newMembers(situation, membership),
    isReversed: new Uint8Array(situation.index.unitCount),
    stepOf: (unit, id) => bringUp(unit, explicit.has(id)),
    errors: unknownErrors(basis, [...unknown, ...unknownRequirements(situation, membership)]),
    warnings: [],
  });
}

function planLoad(basis: PlanBasis, request: RequestOf<"load">): Result<Plan> {
  const { situation, unknown, named, tasks } = situationForLoad(basis, request.modules);
  const membership = decideMembership(situation);
  return finishMembers(basis, request, {
    situation,
    membership,
    units: newMembers(situation, membership),
    isReversed: new Uint8Array(situation.index.unitCount),
    stepOf: (unit, id) => bringUp(unit, named.has(id)),
    errors: [
      ...unknownErrors(basis, [...unknown, ...unknownRequirements(situation, membership)]),
      ...tasks.map(notAModule),
    ],
    warnings: [...named].flatMap((unit) => unmetNeeds(situation, membership, unit)),
  });
}

function planStop(given: PlanBasis, request: RequestOf<"stop">): Result<Plan> {
  const names = request.remove === "all" || request.remove === "none" ? [] : request.remove;
  const strangers = given.loaded.filter(
    ({ name }) =>
      knownModule(given.catalog, name) === undefined && (request.remove === "all" || names.includes(name)),
  );
  const basis = { ...given, catalog: withForeignModules(given.catalog, strangers) };
  const { situation, unknown } = situationForStop(basis, request.roots);
  const membership = decideMembership(situation);
  const removed = request.remove === "all" ? situation.loaded : namedForRemoval(situation, names);
  const { index, loaded } = situation;
  const units = selectUnits(
    index.unitCount,
    (unit) => removed[unit] === 1 || (membership.members[unit] === 1 && loaded[unit] === 0),
  );
  return finishMembers(basis, request, {
    situation,
    membership,
    units,
    isReversed: removed,
    stepOf: (unit) => (unit.kind === "module" ? { action: "remove", unit } : { action: "run", unit }),
    errors: unknownErrors(basis, [...unknown, ...unknownRequirements(situation, membership)]),
    warnings: unknownErrors(
      basis,
      names
        .filter((name) => isUnknown(index, name) && !isRegistered(given, name))
        .map((name) => ({ name, origin: undefined })),
      // At shutdown a name too many must not keep the rest from being removed.
    ).map((diagnostic) => ({ ...diagnostic, severity: "warning" })),
  });
}

function planRemove(basis: PlanBasis, request: RequestOf<"remove">): Result<Plan> {
  const { catalog, facts, loaded } = basis;
  const removal = planRemoval(catalog, loaded, request);
  if (!removal.ok) return removal;
  const { index, going } = removal.value;
  const all = new Uint8Array(index.unitCount).fill(1);
  const arranged = orderSteps(index, going, all, (id) => {
    const unit = unitAt(index, id);
    // The loaded catalog holds only modules; the unit of the step is the one that the caller knows.
    const module = knownModule(catalog, unit.name) ?? knownModule(index.catalog, unit.name);
    if (module === undefined) throw new TypeError(`${unit.name} runs, but is no module`);
    return { action: "remove", unit: module };
  });
  if (!arranged.ok) return arranged;
  return succeed(
    assemblePlan({
      catalog,
      facts,
      request,
      ...arranged.value,
      picks: () => new Map(),
      warnings: [],
      leftOut: () => new Map(),
      explain: (name) => explainRemoval(index, arranged.value.steps, catalog, name),
    }),
  );
}

/** Members of a plan that still have to be put into steps. */
interface PlanDraft {
  readonly situation: Situation;
  readonly membership: Membership;
  readonly units: Uint32Array;
  readonly isReversed: Uint8Array;
  readonly stepOf: (unit: Unit, id: number) => Step;
  readonly errors: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

function finishMembers(
  { catalog, facts, order }: PlanBasis,
  request: PlanRequest,
  draft: PlanDraft,
): Result<Plan> {
  const { situation, membership, units, isReversed, errors } = draft;
  const { index } = situation;
  const stepOf = (id: number): Step => draft.stepOf(unitAt(index, id), id);
  const arranged =
    order === undefined
      ? orderSteps(index, units, isReversed, stepOf)
      : orderStepsAsRecorded(index, units, isReversed, { order, stepOf });
  if (!arranged.ok) return fail([...errors, ...arranged.diagnostics, ...draft.warnings]);
  const warnings = [...draft.warnings, ...arranged.warnings];
  if (errors.length > 0) return fail([...errors, ...warnings]);
  const hasReasons = request.kind === "start" || request.kind === "stop";
  const explainer = new Explainer(
    situation,
    membership,
    arranged.value.steps,
    hasReasons ? () => new Reasons(situation, membership, facts) : undefined,
  );
  return succeed(
    assemblePlan({
      catalog,
      facts,
      request,
      ...arranged.value,
      picks: () => requestedPicks(situation, membership),
      warnings,
      leftOut: () => explainer.leftOut(),
      explain: (name) => explainer.explain(name),
    }),
    warnings,
  );
}

/** Members that have something to do, ascending. */
function newMembers({ index, loaded }: Situation, { members }: Membership): Uint32Array {
  return selectUnits(index.unitCount, (unit) => members[unit] === 1 && loaded[unit] === 0);
}

/** The numbers of the units that are meant, ascending. */
function selectUnits(count: number, isMeant: (unit: number) => boolean): Uint32Array {
  const selected = new Uint32Array(count);
  let found = 0;
  for (let unit = 0; unit < count; unit++) if (isMeant(unit)) selected[found++] = unit;
  return selected.subarray(0, found);
}

function bringUp(unit: Unit, explicit: boolean): Step {
  return unit.kind === "module" ? { action: "load", unit, explicit } : { action: "run", unit };
}

/** Modules to remove in a stop: what runs of what is named; what is gone already is no error. */
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

/** The warning about a module that is loaded by name without what it needs (docs/design/planning.md §6). */
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
      message: `${name} needs ${names.join(", ")}, not loaded; the needs of a module loaded by name are not checked`,
      location: origin?.location,
      related: [],
    },
  ];
}
