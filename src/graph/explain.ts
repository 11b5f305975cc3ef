import type { PlanParts } from "./assemble.js";
import type { Catalog } from "../units/index.js";
import { type CatalogIndex, serviceName, unitAt, unitId } from "./catalog-index.js";
import { NO_PROVIDER } from "./pick.js";
import { Reasons } from "./reasons.js";
import { requestedPicks } from "./requested-services.js";
import type { Membership } from "./membership.js";
import type { Situation } from "./situation.js";
import type { AskedFor, Explanation, Facts, Reason, Step } from "./types.js";

/**
 * The answers of a plan about its units, computed on demand.
 * @param facts absent for requests that leave no unit out
 */
export function explainMembers(
  situation: Situation,
  membership: Membership,
  steps: readonly Step[],
  { facts }: { readonly facts: Facts | undefined },
): Pick<PlanParts, "picks" | "leftOut" | "explain"> {
  const reasonsOf = facts === undefined ? undefined : () => new Reasons(situation, membership, facts);
  const explainer = new Explainer(situation, membership, steps, reasonsOf);
  return {
    picks: () => requestedPicks(situation, membership),
    leftOut: () => explainer.leftOut(),
    explain: (name) => explainer.explain(name),
  };
}

/** Explains why units are in a plan, or not, after the plan is made. */
class Explainer {
  readonly #situation: Situation;
  readonly #membership: Membership;
  readonly #steps: readonly Step[];
  readonly #reasonsOf: (() => Reasons) | undefined;
  #actions: ReadonlyMap<string, Step["action"]> | undefined;
  #reasons: Reasons | undefined;
  #askers: readonly (Asker | undefined)[] | undefined;

  /**
   * Does no work yet, because most plans run without a question.
   * @param reasonsOf absent for requests that leave no unit out
   */
  constructor(
    situation: Situation,
    membership: Membership,
    steps: readonly Step[],
    reasonsOf: (() => Reasons) | undefined,
  ) {
    this.#situation = situation;
    this.#membership = membership;
    this.#steps = steps;
    this.#reasonsOf = reasonsOf;
  }

  leftOut(): ReadonlyMap<string, Reason> {
    const reasons = this.#reasonBook();
    const found = new Map<string, Reason>();
    if (reasons === undefined) return found;
    for (const [id, unit] of this.#situation.index.units.entries()) {
      if (reasons.isLeftOut(id)) found.set(unit.name, reasons.of(id));
    }
    return found;
  }

  explain(name: string): Explanation | undefined {
    const { index, loaded } = this.#situation;
    const id = unitMeant(index, this.#membership.picks, name);
    if (id < 0) return undefined;
    const unit = unitAt(index, id).name;
    this.#actions ??= new Map(this.#steps.map((step) => [step.unit.name, step.action]));
    const action = this.#actions.get(unit);
    if (action !== undefined) return { kind: "planned", unit, action, chain: this.#chainTo(id) };
    if (loaded[id] === 1) return { kind: "loaded", unit };
    const reasons = this.#reasonBook();
    if (reasons === undefined) return { kind: "untouched", unit };
    return { kind: "left-out", unit, reason: reasons.of(id) };
  }

  #reasonBook(): Reasons | undefined {
    return (this.#reasons ??= this.#reasonsOf?.());
  }

  #chainTo(id: number): AskedFor[] {
    const askers = (this.#askers ??= findAskers(this.#situation, this.#membership));
    const chain: AskedFor[] = [];
    for (let unit: number | undefined = id; unit !== undefined;) {
      const asker: Asker | undefined = askers[unit];
      if (asker === undefined) break;
      const { index } = this.#situation;
      chain.push({ name: serviceName(index, asker.service), unit: unitAt(index, unit).name });
      unit = asker.unit;
    }
    return chain.reverse();
  }
}

/** The name of the first request for a unit, and the unit that sent it; no unit for a root. */
interface Asker {
  readonly service: number;
  readonly unit: number | undefined;
}

/** A shortest way from a root to each member: breadth first. */
function findAskers(situation: Situation, { picks, members }: Membership): (Asker | undefined)[] {
  const { index, roots, loaded, followsLoaded } = situation;
  const askers: (Asker | undefined)[] = [];
  const reached: number[] = [];
  const reach = (pick: number, service: number, unit: number | undefined): void => {
    if (pick < 0 || members[pick] === 0 || askers[pick] !== undefined) return;
    askers[pick] = { service, unit };
    reached.push(pick);
  };
  // A unit has the same number as the service of its name.
  for (const unit of roots.units) reach(unit, unit, undefined);
  for (const service of roots.services) reach(picks[service] ?? NO_PROVIDER, service, undefined);
  for (const unit of reached) {
    if (loaded[unit] === 1 && !followsLoaded) continue;
    for (const service of index.requires.row(unit)) reach(picks[service] ?? NO_PROVIDER, service, unit);
  }
  return askers;
}

function unitMeant(index: CatalogIndex, picks: Int32Array, name: string): number {
  const unit = unitId(index, name);
  return unit >= 0 ? unit : (picks[index.serviceIds.get(name) ?? -1] ?? NO_PROVIDER);
}

/** As {@link Explainer.explain}, for an explicit removal. */
export function explainRemoval(
  loaded: CatalogIndex,
  steps: readonly Step[],
  catalog: Catalog,
  name: string,
): Explanation | undefined {
  const running = runningUnit(loaded, name);
  if (running === undefined) {
    const unit = catalog.byName.get(name) ?? catalog.providers.get(name)?.at(-1);
    return unit === undefined ? undefined : { kind: "untouched", unit: unit.name };
  }
  return steps.some(({ unit }) => unit.name === running)
    ? { kind: "planned", unit: running, action: "remove", chain: [] }
    : { kind: "loaded", unit: running };
}

function runningUnit(loaded: CatalogIndex, name: string): string | undefined {
  const service = loaded.serviceIds.get(name);
  if (service === undefined) return undefined;
  const id = service < loaded.unitCount ? service : loaded.providers.row(service).at(-1);
  return id === undefined ? undefined : unitAt(loaded, id).name;
}
