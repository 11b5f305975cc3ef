import type { Diagnostic, Origin } from "../errors/index.js";
import type { Graph } from "@dagrejs/graphlib";
import type { Catalog, ConfigTable, TaskUnit, ModuleUnit, Unit } from "../units/index.js";

/**
 * All inputs of a plan besides the catalog (docs/design/planning.md §3). A broker or flags provide this plain
 * data.
 */
export interface Facts {
  readonly rank: number;
  readonly size: number;
  readonly config: ConfigTable;
  readonly attrs: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Facts from a caller: an absent fact is empty. */
export interface FactsInput {
  readonly rank: number;
  readonly size: number;
  readonly config?: ConfigTable | undefined;
  readonly attrs?: Readonly<Record<string, string>> | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** The action for one unit. */
export type Step =
  | { readonly action: "load"; readonly unit: ModuleUnit; readonly explicit: boolean }
  | { readonly action: "remove"; readonly unit: ModuleUnit }
  | { readonly action: "run"; readonly unit: TaskUnit };

/**
 * The edges of a plan as integer-indexed adjacency: nodes 0 … stepCount−1 are the steps in canonical order.
 * Nodes from stepCount on are barriers, which take no time and stand for the n² edges of a wildcard. The
 * successors of node i are `targets[offsets[i]] … targets[offsets[i + 1] - 1]`.
 */
export interface Dag {
  readonly stepCount: number;
  readonly nodeCount: number;
  readonly offsets: Uint32Array;
  readonly targets: Uint32Array;
}

/**
 * The reason for the choice between the providers of a service (docs/design/planning.md §4); `loaded`: it runs already
 * (docs/design/planning.md §6).
 */
export type PickedBy = "alternative" | "priority" | "order" | "loaded";

/** Why a unit is not in the plan: the first of these reasons that applies (docs/design/planning.md §5). */
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
      /** The preferred provider of the need, with its own reason; undefined if no unit provides it. */
      readonly because: { readonly unit: string; readonly reason: Reason } | undefined;
    }
  | {
      readonly kind: "set-aside";
      readonly service: string;
      /** The need that no unit of the plan provided. */
      readonly missing: string;
      /** The unit that provides the service instead; undefined if the plan leaves that unit out too. */
      readonly servedBy: string | undefined;
    }
  | {
      readonly kind: "other-provider";
      readonly service: string;
      readonly picked: string;
      readonly by: PickedBy;
    }
  | { readonly kind: "not-asked"; readonly requiredBy: readonly string[] };

/** The purpose of a plan. */
export type PlanRequest =
  /** rc1, `run FILE`, `plan`: the roots and their requirements (docs/design/planning.md §5). */
  | { readonly kind: "start"; readonly roots: readonly string[] }
  /** rc3: tasks, and modules to remove, with `before` and `after` of modules swapped (docs/design/planning.md §6). */
  | {
      readonly kind: "stop";
      readonly roots: readonly string[];
      readonly remove: readonly string[] | "all" | "none";
    }
  /** Explicit `load M…` beside the loaded modules. */
  | { readonly kind: "load"; readonly modules: readonly string[] }
  /** Explicit `remove M…`. */
  | { readonly kind: "remove"; readonly modules: readonly string[] | "all"; readonly recursive: boolean };

/** A module in the broker's list. */
export interface LoadedModule {
  readonly name: string;
  /** Services that it registered, its own name not among them. */
  readonly services: readonly string[];
  /** Loaded by name, so that only a removal by name removes it. */
  readonly explicit: boolean;
  /** How long its removal may take, if its unit is no longer in any file. */
  readonly timeoutMs?: number | undefined;
}

/** The order of a load, which the broker keeps for the shutdown. */
export interface LoadOrder {
  /** Names of modules; empty for a task, and for a node that stands for the edges of a wildcard. */
  readonly nodes: readonly string[];
  /** The successors of node i are `targets[offsets[i]] … targets[offsets[i + 1] - 1]`. */
  readonly offsets: Uint32Array;
  readonly targets: Uint32Array;
}

interface PlanInputBase {
  readonly facts: FactsInput;
  /** The running modules; empty if absent. They get no step, satisfy needs, and serve before any other provider. */
  readonly loaded?: readonly LoadedModule[] | undefined;
  /** Names of units or services whose units are force-enabled (docs/design/planning.md §3). */
  readonly enabled?: readonly string[] | undefined;
  /** The recorded order in which a stop removes the running modules; default: that of the units as they are now. */
  readonly order?: LoadOrder | undefined;
  /** The origin of each root or named module, by its name; for errors about unknown names. */
  readonly origins?: ReadonlyMap<string, Origin> | undefined;
}

/** The request, and the facts. `roots` alone means a request of kind `start` (docs/design/embedding.md §1). */
export type PlanInput = PlanInputBase &
  (
    | { readonly request: PlanRequest; readonly roots?: undefined }
    | { readonly roots: readonly string[]; readonly request?: undefined }
  );

/** Why a unit is in a plan or stays out, as data (docs/design/cli.md §2, `explain`). */
export type Explanation =
  | {
      readonly kind: "planned";
      readonly unit: string;
      readonly action: Step["action"];
      /** The chain from a root to the unit. Each unit requires the next unit. Empty for removals. */
      readonly chain: readonly AskedFor[];
    }
  /** The unit runs already. */
  | { readonly kind: "loaded"; readonly unit: string }
  | { readonly kind: "left-out"; readonly unit: string; readonly reason: Reason }
  /** The requested load or removal does not concern the unit. */
  | { readonly kind: "untouched"; readonly unit: string };

/** One link of the chain by which a unit came into a plan. */
export interface AskedFor {
  /** The requested name, of a unit or of a service. */
  readonly name: string;
  /** The unit for that name. */
  readonly unit: string;
}

/** The steps in their order, and the reason for each other unit. Immutable. */
export interface Plan {
  readonly catalog: Catalog;
  readonly facts: Facts;
  readonly request: PlanRequest;
  /** In canonical order. */
  readonly steps: readonly Step[];
  readonly dag: Dag;
  /**
   * Units of the catalog that neither have a step nor run already, each with its reason. Empty for explicit
   * load and removal. The first read computes the map. Reasons refer to each other, so that a chain of
   * 200,000 needs is 200,000 levels deep. Do not recurse into a reason. Use `reasonText`.
   */
  readonly leftOut: ReadonlyMap<string, Reason>;
  /**
   * The unit picked for each service that the plan uses, even a left-out unit. The first read computes the map.
   */
  readonly picks: ReadonlyMap<string, Unit>;
  readonly warnings: readonly Diagnostic[];
  /**
   * Why a unit is in the plan or stays out.
   * @param name a unit, or a service, which means its picked provider
   * @returns undefined if no unit or service has that name
   */
  explain(name: string): Explanation | undefined;
  /**
   * The plan as a graph. Nodes are unit names, labelled with their step. Wildcards become edges. Avoid the
   * recursive algorithms of graphlib (`alg`), which miss units with names such as `toString`. A plan has no
   * cycle. Its `steps` are in order.
   */
  graph(): Graph<object, Step, undefined>;
}
