import type { Diagnostic, Origin } from "../errors/index.js";
import type { Catalog, ConfigTable, TaskUnit, ModuleUnit, Unit } from "../units/index.js";

/** Everything besides the catalog that decides a plan (planning.md §3). Plain data: from a broker, or from flags. */
export interface Facts {
  readonly rank: number;
  readonly size: number;
  readonly config: ConfigTable;
  readonly attrs: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What to do for one unit. */
export type Step =
  | { readonly action: "load"; readonly unit: ModuleUnit; readonly explicit: boolean }
  | { readonly action: "remove"; readonly unit: ModuleUnit }
  | { readonly action: "run"; readonly unit: TaskUnit };

/**
 * The edges of a plan as integer-indexed adjacency: nodes 0 … stepCount−1 are the steps in canonical order; nodes from
 * stepCount on are barriers, which take no time and stand for the n² edges of a wildcard.
 * The successors of node i are `targets[offsets[i]] … targets[offsets[i + 1] - 1]`.
 */
export interface Dag {
  readonly stepCount: number;
  readonly nodeCount: number;
  readonly offsets: Uint32Array;
  readonly targets: Uint32Array;
}

/** Why a unit is not in the plan: the first of these that holds (planning.md §5). */
export type Reason =
  | { readonly kind: "disabled"; readonly by: Origin | undefined }
  | { readonly kind: "rank"; readonly ranks: string; readonly rank: number }
  | {
      readonly kind: "condition";
      readonly key: "needs-config" | "needs-attrs" | "needs-env";
      readonly condition: string;
    }
  | {
      readonly kind: "need";
      readonly need: string;
      /** The provider of the need that would have served, with its own reason; undefined if nobody provides it. */
      readonly because: { readonly unit: string; readonly reason: Reason } | undefined;
    }
  | {
      readonly kind: "set-aside";
      readonly service: string;
      readonly missing: string;
      readonly servedBy: string;
    }
  | {
      readonly kind: "other-provider";
      readonly service: string;
      readonly picked: string;
      readonly by: "alternative" | "priority" | "order";
    }
  | { readonly kind: "not-asked"; readonly requiredBy: readonly string[] };

/** What a plan is for. */
export type PlanRequest =
  /** rc1, `run FILE`, `plan`: the roots and what they require (planning.md §5). */
  | { readonly kind: "start"; readonly roots: readonly string[] }
  /** rc3: tasks, and modules to remove, with `before` and `after` of modules swapped (planning.md §6). */
  | {
      readonly kind: "stop";
      readonly roots: readonly string[];
      readonly remove: readonly string[] | "all" | "none";
    }
  /** Explicit `load M…` beside what is loaded. */
  | { readonly kind: "load"; readonly modules: readonly string[] }
  /** Explicit `remove M…`. */
  | { readonly kind: "remove"; readonly modules: readonly string[] | "all"; readonly recursive: boolean };

/** A module as the broker lists it. */
export interface LoadedModule {
  readonly name: string;
  /** Services that it registered, its own name not among them. */
  readonly services: readonly string[];
  /** Loaded by name, so that only a removal by name takes it away. */
  readonly explicit: boolean;
}

export interface PlanInput {
  readonly request: PlanRequest;
  readonly facts: Facts;
  /** What runs already; empty when absent. */
  readonly loaded?: readonly LoadedModule[];
  /** Names of units or services whose units are force-enabled (planning.md §3). */
  readonly enabled?: readonly string[];
}

/** What is to be done, in which order, and why the rest is not. Immutable. */
export interface Plan {
  readonly catalog: Catalog;
  readonly facts: Facts;
  readonly request: PlanRequest;
  /** In canonical order. */
  readonly steps: readonly Step[];
  readonly dag: Dag;
  /** Units of the catalog that have no step, with their one reason. Empty for explicit load and removal. */
  readonly leftOut: ReadonlyMap<string, Reason>;
  /** The provider picked for each service that the plan asked for. */
  readonly picks: ReadonlyMap<string, Unit>;
  readonly warnings: readonly Diagnostic[];
}
