import { type Diagnostic, type Origin, type Result, succeed } from "../../errors/index.js";
import type { Catalog, Unit } from "../../units/index.js";
import { assemblePlan } from "../assemble.js";
import { type CatalogIndex, unitAt } from "../catalog-index.js";
import { catalogWith } from "../catalog-with.js";
import { Csr } from "../csr.js";
import { explainMembers } from "../explain.js";
import { completeFacts } from "../facts.js";
import { withForeignModules } from "../loaded.js";
import type { Membership } from "../membership.js";
import { requestOf, workOut } from "../plan.js";
import type { PickingRequest } from "../prepare-request.js";
import { withUnitsOfGroups } from "../request-names.js";
import type { Situation } from "../situation.js";
import type { Dag, Plan, PlanInput, Step } from "../types.js";

/** The computed part of an index, because both ends have its units and their names. */
type IndexNumbers = Omit<CatalogIndex, "catalog" | "units" | "serviceIds" | "serviceNames">;

/** A plan in the form for other threads: plain data, nearly all of it in arrays that can be transferred. */
export interface PortablePlan {
  /** Step → unit of the index. */
  readonly units: Uint32Array;
  /** Step → its action: a place in {@link ACTIONS}. */
  readonly actions: Uint8Array;
  readonly dag: Dag;
  readonly warnings: readonly Diagnostic[];
  readonly index: IndexNumbers;
  /** Running modules in the plan that are not in the catalog. */
  readonly foreign: readonly string[];
  /** Names of services that are not names of units. */
  readonly serviceNames: readonly string[];
  readonly situation: Omit<Situation, "index">;
  readonly membership: Membership;
}

const ACTIONS = ["load", "load explicitly", "run", "remove"] as const;

/** The parts of a catalog, for the thread that plans it. */
interface CatalogParts {
  readonly units: readonly Unit[];
  readonly alternatives: Catalog["alternatives"];
  readonly originOf: (unit: string, key: string, element?: string) => Origin | undefined;
}

/**
 * Plans, and returns the plan in the form for another thread. A removal concerns only the loaded modules, and
 * needs no units.
 */
export function planPortable(
  parts: CatalogParts,
  input: PlanInput,
  request: PickingRequest,
): Result<PortablePlan> {
  const { units, alternatives, originOf } = parts;
  const catalog = catalogWith({ ...NO_UNITS, originOf }, units, alternatives);
  const result = workOut(catalog, input, request);
  if (!result.ok) return result;
  const { plan, situation, membership } = result.value;
  const { index, ...rest } = situation;
  const { catalog: planned, units: all, serviceIds, serviceNames, ...numbers } = index;
  const foreign = (planned === catalog ? [] : all).filter((unit) => catalog.byName.get(unit.name) !== unit);
  return succeed(
    {
      units: Uint32Array.from(plan.steps, ({ unit }) => serviceIds.get(unit.name) ?? 0),
      actions: Uint8Array.from(plan.steps, (step) => ACTIONS.indexOf(actionText(step))),
      ...{ dag: plan.dag, warnings: plan.warnings, index: numbers, situation: rest, membership },
      foreign: foreign.map(({ name }) => name),
      serviceNames: serviceNames.slice(index.unitCount),
    },
    result.warnings,
  );
}

const NO_UNITS: Omit<Catalog, "originOf"> = {
  units: [],
  byName: new Map(),
  providers: new Map(),
  alternatives: [],
};

function actionText(step: Step): (typeof ACTIONS)[number] {
  return step.action === "load" && step.explicit ? "load explicitly" : step.action;
}

/**
 * The plan of another thread, in the form of a plan made here.
 * @param catalog that was planned
 * @param input the same input as in that thread
 */
export function planFrom(catalog: Catalog, input: PlanInput, portable: PortablePlan): Plan {
  const { dag, membership, warnings } = portable;
  const facts = completeFacts(input.facts);
  const asked = requestOf(input);
  const request = asked.kind === "remove" ? asked : withUnitsOfGroups({ catalog, facts }, asked);
  const index = indexFrom(catalog, input, portable);
  const situation: Situation = { ...portable.situation, index };
  const steps = Array.from(portable.units, (unit, i) => stepOf(unitAt(index, unit), portable.actions[i]));
  // As in planning, a load leaves no unit out.
  const explained = explainMembers(situation, membership, steps, {
    facts: request.kind === "load" ? undefined : facts,
  });
  return assemblePlan({ catalog, facts, request, steps, dag, ...explained, warnings });
}

function indexFrom(catalog: Catalog, { loaded = [] }: PlanInput, portable: PortablePlan): CatalogIndex {
  const { index, foreign } = portable;
  const { units } = withForeignModules(
    catalog,
    foreign.length === 0 ? [] : loaded.filter(({ name }) => foreign.includes(name)),
  );
  const serviceNames = [...units.map(({ name }) => name), ...portable.serviceNames];
  let serviceIds: ReadonlyMap<string, number> | undefined;
  return {
    ...index,
    provides: revived(index.provides),
    providers: revived(index.providers),
    requires: revived(index.requires),
    needs: revived(index.needs),
    needers: revived(index.needers),
    after: revived(index.after),
    before: revived(index.before),
    ...{ catalog, units, serviceNames },
    // Only questions about the plan need it.
    get serviceIds() {
      return (serviceIds ??= new Map(serviceNames.map((name, id) => [name, id])));
    },
  };
}

/** A value from another thread has its fields, but no class. */
function revived({ offsets, items }: Csr): Csr {
  return new Csr(offsets, items);
}

function stepOf(unit: Unit, action = 0): Step {
  const text = ACTIONS[action];
  if (unit.kind === "task") return { action: "run", unit };
  if (text === "remove") return { action: "remove", unit };
  return { action: "load", unit, explicit: text === "load explicitly" };
}
