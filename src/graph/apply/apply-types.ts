import type { LoadOrder, Plan, Reason } from "../types.js";
import type { ModuleUnit } from "../../units/index.js";

/** A value of an option, in the form of JSON. */
export type RecordedValue = unknown;

/** A module as the broker has recorded it (`module.record`). */
export interface RecordedModule {
  readonly name: string;
  /** The arguments in its unit, without those that code has added since. */
  readonly args: readonly string[];
  /** The options of its `module.load`. */
  readonly options: Readonly<Record<string, RecordedValue>>;
  readonly services: readonly string[];
  /** `up`: it runs, starts or stops. `waits`: it failed and waits for its restart. `failed`, `ended`: it no longer runs. */
  readonly state: "up" | "waits" | "failed" | "ended";
  /** Whether a user loaded it, and not a start: only a removal by name then removes it. */
  readonly byName: boolean;
  /** Whether it was loaded as a unit of a plan, rather than directly from a path. */
  readonly isPlanned: boolean;
  readonly file: ModuleFile;
}

/** The parts of a module, besides the keys of its unit. */
export interface ModuleFile {
  /** `sha256-HEX` of its file; null for a program, and where the file cannot be read. */
  readonly digest: string | null;
  /** Name of the loader that takes it; null if that is unknown. */
  readonly loader: string | null;
  /** Which module of a library; null for a file that is a module itself. */
  readonly member: string | null;
  /** Digest of the variables that its environment files set; null if they cannot be read. */
  readonly variables: string | null;
}

/** The inputs of the comparison. */
export interface ApplyInput {
  /** The plan of a complete start, as if no module ran. */
  readonly plan: Plan;
  readonly recorded: readonly RecordedModule[];
  /** The files of the plan's modules as they are now, by unit. */
  readonly files: ReadonlyMap<string, ModuleFile>;
  /** Units or services: only these and the units that follow them change. Default: all. */
  readonly only?: readonly string[] | undefined;
}

/** A key whose value differs from the value that a module was loaded with. */
export interface KeyChange {
  /** The key in the spelling of unit files. */
  readonly key: string;
  readonly from: RecordedValue;
  readonly to: RecordedValue;
  /** The place that sets it; undefined: no place sets it. */
  readonly origin: string | undefined;
  /** Whether the change needs a reload, or takes effect in the running module. */
  readonly change: "reload" | "in place";
}

/** The cause of an action. */
export type ApplyCause =
  | { readonly kind: "new"; readonly origin: string | undefined }
  | { readonly kind: "failed" }
  | { readonly kind: "file"; readonly from: string | null; readonly to: string | null }
  | { readonly kind: "variables" }
  | { readonly kind: "keys"; readonly keys: readonly KeyChange[] }
  | { readonly kind: "follows"; readonly source: string }
  | { readonly kind: "left-out"; readonly reason: Reason | undefined };

/** The action for one module. */
export type ApplyChange =
  | {
      readonly action: "load" | "reload" | "restart" | "change";
      readonly unit: ModuleUnit;
      readonly causes: readonly ApplyCause[];
      /** Whether the load keeps the further arguments that code has added. */
      readonly keepsArgs: boolean;
    }
  | { readonly action: "remove"; readonly name: string; readonly causes: readonly ApplyCause[] };

/** A change other than a removal. */
export type ApplyUp = Exclude<ApplyChange, { action: "remove" }>;

/** Two units with the same command or file, of which one is removed and the other loaded. */
export interface Renaming {
  readonly from: string;
  readonly to: string;
  readonly same: "command" | "file";
}

/** The smallest change that makes the running modules match the files (docs/design/programs.md §3). */
export interface ApplyPlan {
  readonly plan: Plan;
  /** Loads, then reloads, restarts and changes, each in the order of the plan; then removals. */
  readonly changes: readonly ApplyChange[];
  /** Names of modules of the plan that stay unchanged. */
  readonly stays: readonly string[];
  /** Names of running modules without a unit: they do not change. */
  readonly unknown: readonly string[];
  readonly renamings: readonly Renaming[];
  /**
   * The order of loads, reloads and restarts: the order of the plan, with followers after the units that they follow.
   */
  readonly order: LoadOrder;
}
