import { applyChange, type Change, type StartInput } from "./change.js";
import { type Candidate, candidatesFor } from "./change-candidates.js";
import { plan } from "../plan.js";
import type { Plan } from "../types.js";

/** Changes that together bring a unit in, and their other effects. */
export interface Remedy {
  readonly changes: readonly Change[];
  /** Other units that come in too, without those that a change names as roots, in canonical order. */
  readonly alsoIn: readonly string[];
  /** Units that the change removes from the plan, in canonical order. */
  readonly thenOut: readonly string[];
}

/** The result of a search for the smallest change. */
export interface Advice {
  /** Remedies with the fewest changes, those with small effects first: at most three of one change, or one of two. */
  readonly remedies: readonly Remedy[];
  /**
   * Whether the search has tried all smaller sets. With remedies: none has fewer changes. Without remedies: neither
   * one change nor two help. False if the catalog is too large to try all changes.
   */
  readonly isExhaustive: boolean;
  /** How many plans the search made. */
  readonly tried: number;
}

export interface SearchOptions {
  /** The most units to plan over all tries. A plan of 25 units counts 25. Default a million. */
  readonly budget?: number;
}

const REMEDIES = 3;
const BUDGET = 1_000_000;

/**
 * Looks for the smallest change that brings a unit into a plan, by making it and planning again. It first tries each
 * change of `candidatesFor`, then each pair of changes. A change that makes the plan fail, by a cycle or an unknown
 * name, does not count.
 * @param current the plan without the change
 */
export function findRemedies(
  input: StartInput,
  current: Plan,
  unit: string,
  { budget = BUDGET }: SearchOptions = {},
): Advice {
  const search = new Search(input, current, unit, budget);
  const { near, own, far } = candidatesFor(input, unit);
  const singles = [near, own].map((each) => search.singles(each)).find(({ length }) => length > 0);
  if (singles !== undefined) return search.advice(singles);
  const pairs = search.pairs([...near, ...own]);
  return search.advice(pairs.length > 0 ? pairs : search.mendings(far));
}

/**
 * The order of two alternatives counts, because the last one may win. Other changes do not affect each other.
 */
function isOrdered(pair: readonly Candidate[]): boolean {
  return pair.every(({ change }) => change.kind === "alternative");
}

class Search {
  readonly #input: StartInput;
  readonly #current: readonly string[];
  readonly #unit: string;
  readonly #limit: number;
  /** While the unit itself is not usable, only changes to the unit can help. */
  readonly #isUnusable: boolean;
  /** Near changes whose plan fails if they are made alone. */
  readonly #failing: Candidate[] = [];
  #tried = 0;

  constructor(input: StartInput, current: Plan, unit: string, budget: number) {
    this.#input = input;
    this.#current = current.steps.map((step) => step.unit.name);
    this.#unit = unit;
    this.#limit = Math.max(1, Math.floor(budget / Math.max(1, input.catalog.units.length)));
    const kind = current.leftOut.get(unit)?.kind;
    this.#isUnusable = kind === "disabled" || kind === "rank" || kind === "condition";
  }

  get isSpent(): boolean {
    return this.#tried >= this.#limit;
  }

  advice(remedies: readonly Remedy[]): Advice {
    // The search tries pairs only after each single change.
    return { remedies, isExhaustive: remedies.length > 0 || !this.isSpent, tried: this.#tried };
  }

  singles(candidates: readonly Candidate[]): Remedy[] {
    const remedies: Remedy[] = [];
    for (const candidate of candidates) {
      if (this.isSpent || remedies.length === REMEDIES) break;
      const remedy = this.#try([candidate]);
      if (remedy !== undefined) remedies.push(remedy);
    }
    return remedies;
  }

  /** Pairs of a change whose plan fails, and another change elsewhere that may solve that. */
  mendings(far: readonly Candidate[]): Remedy[] {
    for (const failing of this.#failing) {
      for (const candidate of far) {
        if (this.isSpent) return [];
        const remedy = this.#try([failing, candidate]);
        if (remedy !== undefined) return [remedy];
      }
    }
    return [];
  }

  /** Tries pairs in diagonals, so that two likely changes come before a likely and an unlikely one. */
  pairs(candidates: readonly Candidate[]): Remedy[] {
    const last = candidates.length - 1;
    for (let sum = 1; sum < 2 * last; sum++) {
      for (let i = Math.max(0, sum - last); 2 * i < sum; i++) {
        const pair = [candidates[i], candidates[sum - i]].filter((candidate) => candidate !== undefined);
        if (this.isSpent) return [];
        const remedy = this.#try(pair) ?? (isOrdered(pair) ? this.#try(pair.toReversed()) : undefined);
        if (remedy !== undefined) return [remedy];
      }
    }
    return [];
  }

  #try(candidates: readonly Candidate[]): Remedy | undefined {
    if (this.#isUnusable && candidates.every(({ helpsTarget }) => !helpsTarget)) return undefined;
    this.#tried += 1;
    const changes = candidates.map(({ change }) => change);
    const changed = changes.reduce(applyChange, this.#input);
    const { catalog, facts, roots, enabled } = changed;
    const planned = plan(catalog, { request: { kind: "start", roots }, facts, enabled });
    if (!planned.ok) {
      const [only, second] = candidates;
      if (only !== undefined && second === undefined) this.#failing.push(only);
      return undefined;
    }
    const after = planned.value.steps.map((step) => step.unit.name);
    const there = new Set(after);
    if (!there.has(this.#unit)) return undefined;
    const before = new Set(this.#current);
    const named = new Set(changes.flatMap((change) => (change.kind === "load" ? [change.unit] : [])));
    named.add(this.#unit);
    return {
      changes,
      alsoIn: after.filter((name) => !named.has(name) && !before.has(name)),
      thenOut: this.#current.filter((name) => !there.has(name)),
    };
  }
}
