import type { Diagnostic, Origin } from "../errors/index.js";
import type { ListEdit, Setting } from "./settings.js";
import type { Source } from "./source.js";

/** A unit as one source defines it; or, if an earlier source has defined it, the changes of this one. */
export interface Definition extends Setting {
  readonly kind: "module" | "task";
  readonly name: string;
  /** A task of an rc file, which has code instead of a command, and cannot be redefined. */
  readonly isCode: boolean;
  /** The file that it is picked from, if the file has several modules. */
  readonly library?: string | undefined;
}

/** A change to a definition, in the order in which changes apply. */
export type Change =
  /** The keys of a unit, named by its own name or by a service. */
  | { readonly kind: "update"; readonly target: string; readonly setting: Setting }
  /** The provider of a service. */
  | { readonly kind: "alternative"; readonly service: string; readonly unit: string; readonly origin: Origin }
  /** Arguments of a module; for a service, the arguments of all its providers. Applied after all other edits. */
  | {
      readonly kind: "options";
      readonly target: string;
      readonly args: readonly string[];
      readonly overwrite: boolean;
      readonly source: Source;
    };

/** A name and its origin. */
export interface NamedReference {
  readonly name: string;
  readonly origin: Origin;
}

/** The content of one source: a unit file, the `modules` table of a configuration, or an rc file. */
export interface Fragment {
  readonly source: Source;
  /** Modules first, then tasks, each in the order of the file. */
  readonly definitions: readonly Definition[];
  readonly changes: readonly Change[];
  /** Units or services that an rc file loads and removes. Empty elsewhere. */
  readonly load: readonly NamedReference[];
  readonly remove: readonly NamedReference[];
}

/** The readable part of a source, and its problems. */
export interface Reading {
  /** The valid part: only invalid values are left out. */
  readonly fragment: Fragment;
  readonly diagnostics: readonly Diagnostic[];
  /** Whether the source is unreadable, so that names may be missing. */
  readonly isBroken: boolean;
}

/** An empty fragment. */
export function emptyFragment(source: Source): Fragment {
  return { source, definitions: [], changes: [], load: [], remove: [] };
}

/** A setting of arguments that comes from no file. */
export function argsEdit(items: readonly string[]): ListEdit {
  return { key: "args", op: "append", items };
}
