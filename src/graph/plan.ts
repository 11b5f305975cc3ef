import { fail, type Origin, type Result, succeed } from "../errors/index.js";
import type { Catalog } from "../units/index.js";
import { assemblePlan } from "./assemble.js";
import { unitAt } from "./catalog-index.js";
import { dropUnsupported } from "./drop-unsupported.js";
import { explainMembers, explainRemoval } from "./explain.js";
import { completeFacts } from "./facts.js";
import { knownModule } from "./loaded.js";
import { closeRequirements, decideMembership, type Membership, type Round, supportOf } from "./membership.js";
import { orderSteps } from "./order.js";
import { pickProviders } from "./pick.js";
import { type PickingRequest, type PlanBasis, prepareRequest } from "./prepare-request.js";
import { groupProblems, withUnitsOfGroups } from "./request-names.js";
import { planRemoval } from "./removal.js";
import type { Situation } from "./situation.js";
import type { Plan, PlanInput, PlanRequest, Step } from "./types.js";
import { computeViability } from "./viability.js";

/**
 * Makes a plan: which units run, in which order, and why other units do not run. The same input always gives an
 * identical plan (docs/design/planning.md §3–6).
 *
 * @param catalog all composed units
 * @param input the request (or just the roots of a start), and the facts
 * @returns the plan, possibly with warnings. GRAPH_NEEDS_UNMET: a module loaded by name lacks a need.
 *   GRAPH_UNKNOWN_NAME: a name to remove is unknown. On failure, all errors at once. GRAPH_UNKNOWN_NAME: a
 *   root, a named module or group, or a name in the `requires` of a planned unit. GRAPH_CYCLE (one for each
 *   component), GRAPH_IN_USE, GRAPH_NOT_LOADED.
 */
export function plan(catalog: Catalog, input: PlanInput): Result<Plan> {
  const request = requestOf(input);
  if (request.kind === "remove") return planRemove(basisOf(catalog, input), request);
  const result = workOut(catalog, input, request);
  return result.ok ? succeed(result.value.plan, result.warnings) : result;
}

/** The purpose of a plan. */
export function requestOf(input: PlanInput): PlanRequest {
  return input.request ?? { kind: "start", roots: input.roots };
}

function basisOf(catalog: Catalog, input: PlanInput): PlanBasis {
  return {
    catalog,
    facts: completeFacts(input.facts),
    loaded: input.loaded ?? [],
    enabled: input.enabled ?? [],
    origins: input.origins ?? new Map<string, Origin>(),
    order: input.order,
  };
}

/** A plan, and its inputs. */
interface WorkedOut {
  readonly plan: Plan;
  readonly situation: Situation;
  readonly membership: Membership;
}

/**
 * Usable → pick → close → drop → order → explain (docs/design/planning.md §3–5), a function each. The second to the
 * fourth step make a round, of which there may be several.
 */
export function workOut(catalog: Catalog, input: PlanInput, asked: PickingRequest): Result<WorkedOut> {
  const basis = basisOf(catalog, input);
  const { facts } = basis;
  const request = withUnitsOfGroups(basis, asked);
  const { situation, draft } = prepareRequest(basis, request);
  const membership = decideMembership(situation, runRound);
  const { unordered, ...found } = draft(membership);
  const ofGroups = groupProblems(basis, asked);
  const errors = [...found.errors, ...ofGroups.filter(({ severity }) => severity === "error")];
  const drafted = [...found.warnings, ...ofGroups.filter(({ severity }) => severity === "warning")];
  const ordered = orderSteps(situation.index, unordered, basis.order);
  if (!ordered.ok) return fail([...errors, ...ordered.diagnostics, ...drafted]);
  const warnings = [...drafted, ...ordered.warnings];
  if (errors.length > 0) return fail([...errors, ...warnings]);
  // A load leaves no unit out: the plan contains every named unit.
  const explained = explainMembers(situation, membership, ordered.value.steps, {
    facts: request.kind === "load" ? undefined : facts,
  });
  const plan = assemblePlan({ catalog, facts, request, ...ordered.value, ...explained, warnings });
  return succeed({ plan, situation, membership }, warnings);
}

/** One round of {@link decideMembership}. */
export function runRound(situation: Situation, setAside: Uint8Array): Round {
  const viability = computeViability(situation, setAside);
  const picks = pickProviders(situation, viability.viable);
  const closure = closeRequirements(situation, picks, setAside);
  const removal = dropUnsupported(supportOf(situation, picks, closure));
  return { viability, picks, activated: closure.active, removal };
}

function planRemove(
  basis: PlanBasis,
  request: Extract<PlanRequest, { readonly kind: "remove" }>,
): Result<Plan> {
  const { catalog, facts, loaded } = basis;
  const removal = planRemoval(catalog, loaded, request);
  if (!removal.ok) return removal;
  const { index, going } = removal.value;
  const isReversed = new Uint8Array(index.unitCount).fill(1);
  const stepOf = (id: number): Step => {
    const unit = unitAt(index, id);
    // The loaded catalog holds only modules. The step takes its unit from the caller's catalog.
    const module = knownModule(catalog, unit.name) ?? knownModule(index.catalog, unit.name);
    if (module === undefined) throw new TypeError(`${unit.name} is loaded, but is not a module`);
    return { action: "remove", unit: module };
  };
  const ordered = orderSteps(index, { units: going, isReversed, stepOf });
  if (!ordered.ok) return ordered;
  return succeed(
    assemblePlan({
      catalog,
      facts,
      request,
      ...ordered.value,
      picks: () => new Map(),
      warnings: [],
      leftOut: () => new Map(),
      explain: (name) => explainRemoval(index, ordered.value.steps, catalog, name),
    }),
  );
}
