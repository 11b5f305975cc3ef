import type { EntryState, LoadRequest, Removal, Trial } from "../modules/module-entry.js";
import type { GoneModule } from "../modules/known-modules.js";
import type { LoadOrder, TakeDownOrder } from "../modules/take-down-order.js";

/** The data of a module that an apply uses. */
export interface ApplyModule {
  readonly state: { readonly kind: EntryState["kind"]; readonly isStalled?: boolean | undefined };
  readonly instance: { readonly uuid: string } | undefined;
  readonly args: readonly string[];
  readonly started: LoadRequest["kept"];
  readonly digest: Promise<string | undefined>;
  request: LoadRequest;
  turn: number;
  trial: Trial | undefined;
}

/** The modules that an apply changes: those of the broker in its own table, or those of another system. */
export interface ApplyModules {
  /** Whether modules can no longer be loaded. */
  readonly isSealed: boolean;
  has(name: string): boolean;
  entry(name: string): ApplyModule | undefined;
  /** A module that has ended by itself, if the broker has noted that. */
  goneModule(name: string): GoneModule | undefined;
  recall(gone: GoneModule): void;
  find(request: LoadRequest): Promise<{ readonly path: string }>;
  /** Finds the reasons that would make a load fail, without the modules that the apply removes. */
  check(request: LoadRequest, going: readonly string[]): Promise<void>;
  /** Records the order of a plan, by which the broker takes modules down. */
  record(order: LoadOrder): number;
  takeDownOrder(): TakeDownOrder;
  removalTimeoutMs(name: string): number | undefined;
  remove(name: string, how: Removal): Promise<void>;
  /** Loads a module, in place of the one that runs under this name. */
  exchange(name: string, request: LoadRequest, trial: Trial): Promise<unknown>;
  /** Ends a load that is under way. */
  interrupt(name: string): Promise<void>;
  /** Changes options of a running module that need no new start; returns its previous request. */
  amend(name: string, request: LoadRequest): LoadRequest | undefined;
}
