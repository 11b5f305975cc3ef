import type { Plan } from "../graph/index.js";

/** A step that will not run, the unit that failed, and the unit through which the failure reached it. */
export interface Skipped {
  readonly step: number;
  readonly because: string;
  readonly via: string;
}

/** How a step depends on another. The dependent step does not run without it. */
export type Link = "requires" | "needs";

/** The providers of one name, or its pick, and the units that request it. */
interface Supply {
  readonly link: Link;
  readonly dependents: number[];
  /** How many of its providers have not failed. */
  left: number;
}

/**
 * The steps that each step requires or needs, for `--keep-going`: order alone is no dependency
 * (docs/design/planning.md §7). Made only after a failure.
 */
export class Dependents {
  readonly #plan: Plan;
  /** Indexed by the number of a serving step. */
  readonly #supplies: Supply[][];
  readonly #gone = new Set<number>();

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#supplies = plan.steps.map(() => []);
    const stepOf = new Map(plan.steps.map((step, index) => [step.unit.name, index]));
    const picked = new Map<string, Supply>();
    const provided = new Map<string, Supply>();
    for (const [index, { unit, action }] of plan.steps.entries()) {
      // A removed unit no longer requests any unit (docs/design/planning.md §6).
      if (action === "remove") continue;
      for (const name of unit.requires) {
        supplyOf(picked, name, () => this.#stockPick(name, stepOf)).dependents.push(index);
      }
      for (const name of unit.needs) {
        supplyOf(provided, name, () => this.#stock("needs", this.#providersOf(name, stepOf))).dependents.push(
          index,
        );
      }
    }
  }

  /**
   * The steps to skip after the failure of this step, transitively, each once; nearest first, then in canonical order.
   * @param link `needs`: a unit that only requires a failed unit runs without it
   * @param isOpen whether a step has neither started nor been skipped
   */
  skippedBy(failed: number, link: Link, isOpen: (step: number) => boolean): Skipped[] {
    const because = this.#nameOf(failed);
    const skipped: Skipped[] = [];
    const queue = [failed];
    // The queue grows during the loop.
    for (const step of queue) {
      for (const dependent of this.#bereft(step, link)) {
        if (!isOpen(dependent) || this.#gone.has(dependent)) continue;
        skipped.push({ step: dependent, because, via: this.#nameOf(step) });
        queue.push(dependent);
      }
    }
    return skipped;
  }

  /** The steps that lose their last provider of a service with this one. */
  #bereft(step: number, link: Link): number[] {
    if (this.#gone.has(step)) return [];
    this.#gone.add(step);
    const losers = new Set<number>();
    for (const supply of this.#supplies[step] ?? []) {
      if (link === "needs" && supply.link === "requires") continue;
      supply.left--;
      if (supply.left === 0) for (const dependent of supply.dependents) losers.add(dependent);
    }
    return [...losers].sort((a, b) => a - b);
  }

  #stockPick(name: string, stepOf: ReadonlyMap<string, number>): Supply {
    const pick = this.#plan.picks.get(name);
    return this.#stock(
      "requires",
      pick === undefined ? this.#providersOf(name, stepOf) : [stepOf.get(pick.name)].filter(isStep),
    );
  }

  #stock(link: Link, servers: readonly number[]): Supply {
    // A removal that fails takes no service away, because the module is still there.
    const serving = servers.filter((step) => this.#plan.steps[step]?.action !== "remove");
    const supply: Supply = { link, dependents: [], left: serving.length };
    for (const step of serving) this.#supplies[step]?.push(supply);
    return supply;
  }

  #providersOf(name: string, stepOf: ReadonlyMap<string, number>): number[] {
    return (this.#plan.catalog.providers.get(name) ?? []).map((unit) => stepOf.get(unit.name)).filter(isStep);
  }

  #nameOf(step: number): string {
    return this.#plan.steps[step]?.unit.name ?? "";
  }
}

function isStep(step: number | undefined): step is number {
  return step !== undefined;
}

function supplyOf(supplies: Map<string, Supply>, name: string, make: () => Supply): Supply {
  const known = supplies.get(name) ?? make();
  supplies.set(name, known);
  return known;
}
