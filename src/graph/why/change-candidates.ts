import { rankSetHas, type Unit } from "../../units/index.js";
import { type CatalogIndex, indexOf, serviceName, unitAt, unitId, unitsNamed } from "../catalog-index.js";
import { type Change, type StartInput, withRank } from "./change.js";
import { unmetConditions } from "../facts.js";

/** A change, and whether an unusable unit might become usable with it. */
export interface Candidate {
  readonly change: Change;
  /** Whether it makes the requested unit usable, or is a part of such a change. */
  readonly helpsTarget: boolean;
}

/** The cost of changes: those with small effects come first. */
const COST: Readonly<Record<Change["kind"], number>> = {
  enable: 0,
  fact: 1,
  load: 3,
  alternative: 2,
  ranks: 4,
  rank: 5,
  "drop-needs": 8,
  force: 9,
};
/**
 * The cost of each relation between the unit and the change, so that enabling a missing provider comes before
 * removing the need.
 */
const STEP = 4;

/** The candidates. */
export interface Candidates {
  /** Changes that may affect whether the unit is in, the likely ones first. */
  readonly near: readonly Candidate[];
  /**
   * For units nearby: changes that select a unit for a name that only this unit provides. Alone they have the same
   * effect as one of `near`. Beside a selection of another unit for the shared service they may do more.
   */
  readonly own: readonly Candidate[];
  /**
   * Changes to other units. They can only help if the plan with a near change fails, for example because of a cycle.
   */
  readonly far: readonly Candidate[];
}

/**
 * Every change of the kinds of {@link Change}, grouped by whether it may affect a unit.
 *
 * Near are distances along `requires`, `needs` and `provides`, because `after` and `before` only order. Facts are
 * near too, because all units share them. It does not propose a change without effect: a fact that no condition
 * lacks, a root that is one, a rank of the set.
 */
export function candidatesFor(input: StartInput, target: string): Candidates {
  const index = indexOf(input.catalog);
  const distances = distancesFrom(index, unitId(index, target));
  const found = new Map<
    string,
    { readonly candidate: Candidate; readonly cost: number; readonly isNear: boolean }
  >();
  const byDistance = [...distances.keys(), ...index.units.keys()];
  const given: Given = {
    input,
    roots: new Set(input.roots),
    forced: new Set(input.enabled.flatMap((name) => unitsNamed(index, name))),
  };
  for (const id of new Set(byDistance)) {
    const { name } = unitAt(index, id);
    const distance = distances.get(id) ?? distances.size;
    for (const change of changesTo(index, id, given)) {
      const key = JSON.stringify(change);
      const known = found.get(key);
      const helpsTarget = known?.candidate.helpsTarget === true || (isUsability(change) && name === target);
      const isNear = distances.has(id) || change.kind === "fact" || change.kind === "rank";
      const cost = known?.cost ?? COST[change.kind] + STEP * distance;
      found.set(key, { candidate: { change, helpsTarget }, cost, isNear: known?.isNear ?? isNear });
    }
  }
  // Sorting is stable: changes of equal cost keep the order of discovery.
  const sorted = [...found.values()].sort((a, b) => a.cost - b.cost);
  const near = sorted.filter(({ isNear }) => isNear).map(({ candidate }) => candidate);
  const isOwn = ({ change }: Candidate): boolean =>
    change.kind === "alternative" && index.providers.count(index.serviceIds.get(change.service) ?? 0) === 1;
  return {
    near: near.filter((candidate) => !isOwn(candidate)),
    own: near.filter(isOwn),
    far: sorted.filter(({ isNear }) => !isNear).map(({ candidate }) => candidate),
  };
}

/** The inputs of the plan, and the changes that are not proposed again. */
interface Given {
  readonly input: StartInput;
  readonly roots: ReadonlySet<string>;
  /** Numbers of units. */
  readonly forced: ReadonlySet<number>;
}

function changesTo(index: CatalogIndex, id: number, { input, roots, forced }: Given): Change[] {
  const unit = unitAt(index, id);
  return [
    // A fact that a forced unit no longer checks may still matter to another unit.
    ...usability(unit, input).filter(({ kind }) => kind !== "force" || !forced.has(id)),
    ...(roots.has(unit.name) ? [] : [{ kind: "load", unit: unit.name } as const]),
    ...selections(index, id, input),
    ...droppings(unit),
  ];
}

/** Changes that remove the cause for which a unit is unusable. */
function usability(unit: Unit, { facts }: StartInput): Change[] {
  const changes: Change[] = [];
  if (unit.disabled) changes.push({ kind: "enable", unit: unit.name });
  if (!rankSetHas(unit.ranks, facts.rank)) {
    changes.push({ kind: "ranks", unit: unit.name, ranks: withRank(unit.ranks, facts.rank) });
    const [first] = unit.ranks.ranges;
    if (first !== undefined && first[0] < facts.size) changes.push({ kind: "rank", rank: first[0] });
  }
  for (const { key, condition } of unmetConditions(unit, facts)) {
    changes.push({ kind: "fact", key, name: condition.key, set: !condition.negated });
  }
  if (changes.length > 0) changes.push({ kind: "force", unit: unit.name });
  return changes;
}

function isUsability({ kind }: Change): boolean {
  return kind === "enable" || kind === "ranks" || kind === "rank" || kind === "fact" || kind === "force";
}

/** Makes a unit the provider of a service that others provide too. It applies to all services of the unit. */
function selections(index: CatalogIndex, id: number, { catalog }: StartInput): Change[] {
  const { name } = unitAt(index, id);
  const provided = [...index.provides.row(id)];
  if (provided.every((service) => index.providers.count(service) === 1)) return [];
  return provided
    .map((service) => serviceName(index, service))
    .filter(
      (service) => catalog.alternatives.at(-1)?.service !== service || !isChosen(catalog, service, name),
    )
    .map((service) => ({ kind: "alternative", service, unit: name }));
}

function isChosen({ alternatives }: StartInput["catalog"], service: string, unit: string): boolean {
  return alternatives.some((set) => set.service === service && set.unit === unit);
}

function droppings({ name, needs }: Unit): Change[] {
  const all = [...new Set(needs)];
  const each = all.map((need): Change => ({ kind: "drop-needs", unit: name, needs: [need] }));
  return all.length > 1 ? [...each, { kind: "drop-needs", unit: name, needs: all }] : each;
}

/** Units around one unit by the number of relations to them, nearest first. */
function distancesFrom(index: CatalogIndex, from: number): Map<number, number> {
  const requirers = index.requires.reversed(index.serviceCount);
  const distances = new Map<number, number>([[from, 0]]);
  const seen = new Uint8Array(index.serviceCount);
  // A map's iterator also visits entries that are added while it runs: this is the queue.
  for (const [unit, distance] of distances) {
    for (const rows of [index.provides, index.needs, index.requires]) {
      for (const service of rows.row(unit)) {
        if (seen[service] === 1) continue;
        seen[service] = 1;
        for (const near of [index.providers, requirers, index.needers]) {
          for (const other of near.row(service))
            if (!distances.has(other)) distances.set(other, distance + 1);
        }
      }
    }
  }
  return distances;
}
