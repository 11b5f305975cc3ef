import type { Facts, Reason } from "../../src/graph/index.js";
import { type Catalog, rankSetHas, type Unit } from "../../src/units/index.js";

/**
 * A second planner, straight from the text of docs/design/planning.md §3–5: sets, passes, recursion, no regard for
 * time. It shares nothing with the real one, so that where both agree both have read the same.
 */
export interface OracleInput {
  readonly roots: readonly string[];
  readonly facts: Facts;
  readonly enabled: readonly string[];
}

export interface OraclePlan {
  readonly planned: ReadonlySet<string>;
  readonly picks: ReadonlyMap<string, string>;
  readonly reasons: ReadonlyMap<string, Reason>;
  /** Names that are errors. */
  readonly unknown: ReadonlySet<string>;
}

interface Round {
  readonly viable: ReadonlySet<Unit>;
  /** Unit → needs that no viable unit provided when it was withdrawn. */
  readonly lackedViable: ReadonlyMap<Unit, readonly string[]>;
  readonly active: ReadonlySet<Unit>;
  /** Unit → needs that no active unit provided when it was removed; empty for what was only required by others. */
  readonly removed: ReadonlyMap<Unit, readonly string[]>;
  pick(service: string): Unit | undefined;
}

const namesOf = (unit: Unit): string[] => [...new Set([unit.name, ...unit.provides])];

export function oracle(catalog: Catalog, input: OracleInput): OraclePlan {
  const world = new World(catalog, input);
  const setAside = new Map<Unit, { service: string; missing: string }>();
  for (;;) {
    const round = world.round(new Set(setAside.keys()));
    const losers = world.losers(round);
    for (const [unit, loss] of losers) setAside.set(unit, loss);
    if (losers.size === 0) return world.conclude(round, setAside);
  }
}

class World {
  readonly #catalog: Catalog;
  readonly #input: OracleInput;
  readonly #forced: ReadonlySet<Unit>;

  constructor(catalog: Catalog, input: OracleInput) {
    this.#catalog = catalog;
    this.#input = input;
    this.#forced = new Set(
      input.enabled.flatMap((name) => {
        const unit = catalog.byName.get(name);
        return unit === undefined ? this.#providers(name) : [unit];
      }),
    );
  }

  round(setAside: ReadonlySet<Unit>): Round {
    const usable = this.#catalog.units.filter((unit) => this.#blocker(unit) === undefined);
    const viable = new Set(usable.filter((unit) => !setAside.has(unit)));
    const lackedViable = new Map<Unit, string[]>();
    for (;;) {
      const lost = [...viable]
        .map((unit) => [unit, this.#missing(unit, viable)] as const)
        .filter(([, needs]) => needs.length > 0);
      for (const [unit, needs] of lost) {
        viable.delete(unit);
        lackedViable.set(unit, needs);
      }
      if (lost.length === 0) break;
    }
    const pick = (service: string): Unit | undefined => this.#pick(service, viable);
    const startable = new Set(usable.filter((unit) => !setAside.has(unit)));
    const active = this.#reach(pick, startable);
    const removed = new Map<Unit, string[]>();
    const remaining = new Set(active);
    for (let before = -1; before !== removed.size;) {
      before = removed.size;
      for (;;) {
        const lost = [...remaining]
          .map((unit) => [unit, this.#missing(unit, remaining)] as const)
          .filter(([, needs]) => needs.length > 0);
        for (const [unit, needs] of lost) {
          remaining.delete(unit);
          removed.set(unit, needs);
        }
        if (lost.length === 0) break;
      }
      const reached = this.#reach(pick, remaining);
      for (const unit of [...remaining].filter((one) => !reached.has(one))) {
        remaining.delete(unit);
        removed.set(unit, []);
      }
    }
    return { viable, lackedViable, active: remaining, removed, pick };
  }

  losers(round: Round): Map<Unit, { service: string; missing: string }> {
    const found = new Map<Unit, { service: string; missing: string }>();
    for (const service of this.#asked(round)) {
      const pick = round.pick(service);
      const missing = pick === undefined ? undefined : round.removed.get(pick)?.[0];
      if (pick === undefined || missing === undefined || found.has(pick)) continue;
      const others = this.#providers(service).filter((unit) => unit !== pick && round.viable.has(unit));
      if (others.length > 0) found.set(pick, { service, missing });
    }
    return found;
  }

  conclude(round: Round, setAside: ReadonlyMap<Unit, { service: string; missing: string }>): OraclePlan {
    const asked = this.#asked(round);
    const picks = new Map<string, string>();
    const unknown = new Set<string>();
    for (const root of this.#taskRoots()) picks.set(root.name, root.name);
    for (const service of asked) {
      const pick = round.pick(service);
      if (pick === undefined) unknown.add(service);
      else picks.set(service, pick.name);
    }
    for (const name of this.#input.enabled) if (this.#providers(name).length === 0) unknown.add(name);

    const reasonOf = (unit: Unit): Reason => {
      const blocker = this.#blocker(unit);
      if (blocker !== undefined) return blocker;
      const aside = setAside.get(unit);
      const need = (round.lackedViable.get(unit) ?? round.removed.get(unit) ?? [])[0];
      if (need !== undefined && aside === undefined) {
        const culprit = round.pick(need);
        const because = culprit === undefined ? undefined : { unit: culprit.name, reason: reasonOf(culprit) };
        return { kind: "need", need, because };
      }
      if (aside !== undefined) {
        const pick = round.pick(aside.service);
        const serving = [...(pick === undefined ? [] : [pick]), ...this.#providers(aside.service)];
        const servedBy = serving.find((one) => round.active.has(one))?.name;
        return { kind: "set-aside", ...aside, servedBy };
      }
      for (const service of namesOf(unit)) {
        const picked = asked.has(service) ? round.pick(service) : undefined;
        if (picked === undefined || picked === unit || !round.active.has(picked)) continue;
        const isChosen = this.#catalog.alternatives.some((alternative) => alternative.unit === picked.name);
        const by = isChosen ? "alternative" : picked.priority > unit.priority ? "priority" : "order";
        return { kind: "other-provider", service, picked: picked.name, by };
      }
      const requirers = this.#catalog.units.filter(
        (other) =>
          other !== unit &&
          !round.active.has(other) &&
          other.requires.some((service) => round.pick(service) === unit),
      );
      return { kind: "not-asked", requiredBy: requirers.map(({ name }) => name) };
    };
    const out = this.#catalog.units.filter((unit) => !round.active.has(unit));
    return {
      planned: new Set([...round.active].map(({ name }) => name)),
      picks,
      reasons: new Map(out.map((unit) => [unit.name, reasonOf(unit)])),
      unknown,
    };
  }

  #providers(service: string): Unit[] {
    return this.#catalog.units.filter((unit) => namesOf(unit).includes(service));
  }

  #taskRoots(): Unit[] {
    return this.#input.roots.flatMap((root) => {
      const unit = this.#catalog.byName.get(root);
      return unit?.kind === "task" ? [unit] : [];
    });
  }

  #serviceRoots(): string[] {
    return this.#input.roots.filter((root) => this.#catalog.byName.get(root)?.kind !== "task");
  }

  #asked(round: Round): Set<string> {
    const members = this.#catalog.units.filter((unit) => round.active.has(unit));
    return new Set([...this.#serviceRoots(), ...members.flatMap((unit) => unit.requires)]);
  }

  #missing(unit: Unit, among: ReadonlySet<Unit>): string[] {
    return unit.needs.filter((need) => !this.#providers(need).some((provider) => among.has(provider)));
  }

  #reach(pick: (service: string) => Unit | undefined, among: ReadonlySet<Unit>): Set<Unit> {
    const reached = new Set<Unit>();
    const visit = (unit: Unit | undefined): void => {
      if (unit === undefined || reached.has(unit) || !among.has(unit)) return;
      reached.add(unit);
      for (const service of unit.requires) visit(pick(service));
    };
    for (const unit of this.#taskRoots()) visit(unit);
    for (const service of this.#serviceRoots()) visit(pick(service));
    return reached;
  }

  #pick(service: string, viable: ReadonlySet<Unit>): Unit | undefined {
    const providers = this.#providers(service);
    const candidates = providers.filter((unit) => viable.has(unit));
    const { alternatives } = this.#catalog;
    const own = alternatives.find((alternative) => alternative.service === service)?.unit;
    const chosen = alternatives.map(({ unit }) => unit).reverse();
    const ranked = [...(candidates.length > 0 ? candidates : providers)].sort(
      (a, b) => b.priority - a.priority || b.order - a.order,
    );
    return (
      candidates.find((unit) => unit.name === own) ??
      candidates
        .filter((unit) => chosen.includes(unit.name))
        .sort((a, b) => chosen.indexOf(a.name) - chosen.indexOf(b.name))[0] ??
      ranked[0]
    );
  }

  #blocker(unit: Unit): Reason | undefined {
    if (this.#forced.has(unit)) return undefined;
    const { rank, attrs } = this.#input.facts;
    if (unit.disabled) return { kind: "disabled", by: this.#catalog.originOf(unit.name, "disabled") };
    if (!rankSetHas(unit.ranks, rank)) return { kind: "rank", ranks: unit.ranks.text, rank };
    const unmet = unit.needsAttrs.find(({ key, negated }) => key in attrs === negated);
    if (unmet === undefined) return undefined;
    const condition = `${unmet.negated ? "!" : ""}${unmet.key}`;
    return { kind: "condition", key: "needs-attrs", condition };
  }
}

/** Every edge among planned units as the text of docs/design/planning.md §5.2 has it, as `FROM TO`. */
export function oracleEdges(units: readonly Unit[]): Set<string> {
  const edges = new Set<string>();
  const add = (from: Unit, to: Unit): void => {
    if (from !== to) edges.add(`${from.name} ${to.name}`);
  };
  for (const unit of units) {
    for (const other of units) {
      for (const name of unit.after) if (namesOf(other).includes(name)) add(other, unit);
      for (const name of unit.before) if (namesOf(other).includes(name)) add(unit, other);
      if (unit.after.includes("*") && !other.after.includes("*")) add(other, unit);
      if (unit.before.includes("*") && !other.before.includes("*")) add(unit, other);
    }
  }
  return edges;
}

/** The canonical order (docs/design/planning.md §5.4), or undefined if there is a cycle. */
export function oracleOrder(units: readonly Unit[], edges: ReadonlySet<string>): string[] | undefined {
  const order: string[] = [];
  while (order.length < units.length) {
    const next = units.find(
      (unit) =>
        !order.includes(unit.name) &&
        units.every((other) => order.includes(other.name) || !edges.has(`${other.name} ${unit.name}`)),
    );
    if (next === undefined) return undefined;
    order.push(next.name);
  }
  return order;
}
