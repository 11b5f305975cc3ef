import { fail, type Result, succeed } from "../../errors/index.js";
import type { Catalog } from "../../units/index.js";
import { unknownRequirements } from "../requested-services.js";
import { serviceName, unitAt } from "../catalog-index.js";
import { completeFacts } from "../facts.js";
import { situationForUnit } from "../request-situation.js";
import { type Membership, decideMembership } from "../membership.js";
import { runRound } from "../plan.js";
import type { Situation } from "../situation.js";
import type { FactsInput } from "../types.js";
import { unknownNameErrors } from "../request-names.js";

/** A dependency in its place in a tree. */
interface DependencyRow {
  /** 0 for the root. */
  readonly depth: number;
  /** The name by which it is required: of a unit or of a service. */
  readonly service: string;
  /** The unit that provides it. */
  readonly unit: string;
  /** Whether it is the last one below its parent. */
  readonly isLast: boolean;
}

/** The direct and indirect requirements of a unit. */
interface DependencyTree {
  /**
   * The rows from the top down, parents before children. With `full` the number of rows may be exponential.
   * Take only the rows that you need.
   */
  rows(): Iterable<DependencyRow>;
}

/**
 * The tree of `list-dependencies` (docs/design/cli.md §2): by `requires`, through picked providers, without the units
 * that the plan would leave out. If the unit's own conditions are not met, the tree contains all of its dependencies.
 * Breadth first: it shows a dependency once, at its shallowest place. `full` shows each occurrence, but no dependency
 * below itself.
 * @param name of a unit, else of a service, which stands for its pick
 * @returns errors GRAPH_UNKNOWN_NAME
 */
export function dependencyTree(
  catalog: Catalog,
  facts: FactsInput,
  name: string,
  options: { readonly full?: boolean } = {},
): Result<DependencyTree> {
  const { situation, root, isUsable, unknown } = situationForUnit(
    { catalog, facts: completeFacts(facts), loaded: [], enabled: [] },
    name,
  );
  if (unknown.length > 0) return fail(unknownNameErrors(catalog, unknown));
  const membership = decideMembership(situation, runRound);
  const missing = unknownRequirements(situation, membership);
  if (missing.length > 0) return fail(unknownNameErrors(catalog, missing));
  // The requirements of such a unit usually have the same conditions.
  const members = isUsable ? membership.members : new Uint8Array(situation.index.unitCount).fill(1);
  const tree = new RequirementTree(situation, { ...membership, members }, { service: name, unit: root });
  return succeed({ rows: () => (options.full === true ? tree.everything() : tree.shallowest()) });
}

/** The tree as text, one line for each dependency, without a line feed at the end. */
export function renderTree(tree: DependencyTree): string {
  return [...treeLines(tree)].join("\n");
}

/** The lines of {@link renderTree}, one at a time. */
export function* treeLines(tree: DependencyTree): Generator<string, void> {
  const indents: string[] = [];
  for (const row of tree.rows()) {
    const { depth, service, unit, isLast } = row;
    const label = service === unit ? service : `${service} (${unit})`;
    if (depth === 0) {
      yield label;
      continue;
    }
    indents.length = depth - 1;
    yield `${indents.join("")}${isLast ? "└── " : "├── "}${label}`;
    indents.push(isLast ? "    " : "│   ");
  }
}

interface Requirement {
  /** The required name, as text: the root may have the name of a service that is in no list. */
  readonly service: string;
  readonly unit: number;
}

class RequirementTree {
  readonly #situation: Situation;
  readonly #membership: Membership;
  readonly #root: Requirement;

  constructor(situation: Situation, membership: Membership, root: Requirement) {
    this.#situation = situation;
    this.#membership = membership;
    this.#root = root;
  }

  shallowest(): Iterable<DependencyRow> {
    const seen = new Set([this.#root.unit]);
    const below = new Map<number, Requirement[]>();
    // The iterator of a set also visits elements that are added on the way: this is the queue.
    for (const unit of seen) {
      const children: Requirement[] = [];
      for (const child of this.#requirements(unit)) {
        if (seen.has(child.unit)) continue;
        seen.add(child.unit);
        children.push(child);
      }
      below.set(unit, children);
    }
    return this.#walk((unit) => below.get(unit) ?? []);
  }

  everything(): Iterable<DependencyRow> {
    return this.#walk((unit, path) => this.#requirements(unit).filter((child) => !path.has(child.unit)));
  }

  #requirements(unit: number): Requirement[] {
    const { index } = this.#situation;
    return Array.from(index.requires.row(unit), (service) => ({
      service: serviceName(index, service),
      unit: this.#membership.picks[service] ?? -1,
    })).filter((child) => child.unit >= 0 && this.#membership.members[child.unit] === 1);
  }

  *#walk(
    childrenOf: (unit: number, path: ReadonlySet<number>) => readonly Requirement[],
  ): Generator<DependencyRow, void> {
    const path = new Set<number>();
    const levels: { unit: number; children: readonly Requirement[]; next: number }[] = [];
    const enter = (unit: number): void => {
      path.add(unit);
      levels.push({ unit, children: childrenOf(unit, path), next: 0 });
    };
    yield this.#row(this.#root, 0, true);
    enter(this.#root.unit);
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const child = level.children[level.next];
      if (child === undefined) {
        path.delete(level.unit);
        levels.pop();
        continue;
      }
      level.next += 1;
      yield this.#row(child, levels.length, level.next === level.children.length);
      enter(child.unit);
    }
  }

  #row({ service, unit }: Requirement, depth: number, isLast: boolean): DependencyRow {
    return { depth, service, unit: unitAt(this.#situation.index, unit).name, isLast };
  }
}
