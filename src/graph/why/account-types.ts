import type { Origin } from "../../errors/index.js";
import type { Advice } from "./change-search.js";
import type { Facts, PickedBy, Plan, Reason, Step } from "../types.js";

/** The inputs of an account of a unit. */
export interface AccountInput {
  /** A plan of kind `start`. */
  readonly plan: Plan;
  /** Names that were force-enabled for the plan. */
  readonly enabled: readonly string[];
  /** The origin of each root, by its name. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** The origin of each fact: the file of a configuration key, the flag of a rank. */
  readonly factOrigin?: ((fact: FactName) => Origin | undefined) | undefined;
  /** Most units to plan in the search for a change; see `findRemedies`. 0 for no search. */
  readonly budget?: number | undefined;
}

/** One fact: the rank, or a configuration key, attribute or variable by its name. */
export type FactName =
  | { readonly kind: "rank"; readonly rank: Facts["rank"] }
  | { readonly kind: "needs-config" | "needs-attrs" | "needs-env"; readonly name: string };

/** The content of a key, a fact or a flag, and its place. */
export interface Statement {
  /** The statement in the form of a unit file: `requires = "kvs"`. */
  readonly text: string;
  /** The unit that has the key; undefined for facts, roots and alternatives. */
  readonly unit: string | undefined;
  readonly origin: Origin | undefined;
}

/** One cause in a chain: for a left-out unit the nearest first, for a planned unit from the root on. */
export interface Cause {
  readonly unit: string;
  /** One line for people. */
  readonly text: string;
  /** The reason without the provider that a need lacks, which is the next cause. */
  readonly reason:
    Omit<Extract<Reason, { kind: "need" }>, "because"> | Exclude<Reason, { kind: "need" }> | undefined;
  readonly statements: readonly Statement[];
}

/** A unit that provides a service, and the result of the pick for it. */
export interface Candidacy {
  readonly unit: string;
  readonly priority: number;
  /** Why the plan did not pick it; undefined for the pick, and if no unit requests the service. */
  readonly lost: { readonly by: PickedBy | Reason["kind"]; readonly text: string } | undefined;
  readonly statements: readonly Statement[];
}

/** A service with more than one provider, or whose provider is not named like it. */
export interface ServiceAccount {
  readonly service: string;
  /** Undefined if the plan does not request the service. */
  readonly picked: string | undefined;
  /** The pick first, then in load order. */
  readonly providers: readonly Candidacy[];
}

/** A relation that orders a unit. */
export interface OrderCause {
  /** Units of the plan whose order with this unit comes from this relation, in canonical order. */
  readonly units: readonly string[];
  readonly statement: Statement;
}

/** The complete explanation why a unit is in a plan or not, as data. */
export interface Account {
  /** The requested name. */
  readonly name: string;
  readonly unit: string;
  readonly status: "planned" | "left-out" | "loaded";
  readonly action: Step["action"] | undefined;
  readonly definedAt: Origin | undefined;
  readonly causes: readonly Cause[];
  readonly services: readonly ServiceAccount[];
  /** The units before it, with their relations; empty for a left-out unit. */
  readonly after: readonly OrderCause[];
  readonly before: readonly OrderCause[];
  /** The changes that would put the unit into the plan; undefined for a planned unit, and without a search. */
  readonly advice: Advice | undefined;
}
