import type { Origin } from "../../errors/index.js";
import type { Definition, Fragment } from "../fragment.js";
import { isUnitKey, rowOf, type UnitKey } from "../keys/keys.js";
import { applySetting, type ListEdit, type Setting, type Settings } from "../settings.js";
import { SourceOrigin } from "../source.js";
import type { Unit } from "../types.js";
import { makeModule, makeTask } from "../unit-values.js";

const DEFAULT_PRIORITY = 100;
const NOTHING: readonly never[] = [];

/** A unit while it is being composed: the values set so far, and every table that has set one. */
export class UnitDraft {
  readonly name: string;
  readonly kind: Unit["kind"];
  readonly isCode: boolean;
  readonly order: number;
  /** The file that it is picked from, if the file has several modules. */
  readonly library: string | undefined;
  /** The last source that has an entry for it. */
  listedIn: Fragment;
  #settings: Settings;
  readonly #definition: Definition;
  /** Most units are defined once and never changed. */
  #updates: Setting[] | undefined;

  constructor(definition: Definition, order: number, fragment: Fragment) {
    this.name = definition.name;
    this.kind = definition.kind;
    this.isCode = definition.isCode;
    this.order = order;
    this.library = definition.library;
    this.listedIn = fragment;
    this.#settings = definition.settings;
    this.#definition = definition;
  }

  get settings(): Settings {
    return this.#settings;
  }

  get priority(): number {
    return this.#settings.priority ?? DEFAULT_PRIORITY;
  }

  /** Services besides the service of its name. */
  get provides(): readonly string[] {
    return this.#settings.provides ?? NOTHING;
  }

  apply(setting: Setting): void {
    this.#settings = applySetting(this.#settings, setting);
    (this.#updates ??= []).push(setting);
  }

  /** The definition, and every table that changed it, in the order of composition. */
  get history(): readonly [Definition, ...Setting[]] {
    return [this.#definition, ...(this.#updates ?? [])];
  }

  /** The place of the first definition of the unit. */
  get definedAt(): Origin {
    const { source, path } = this.#definition;
    return new SourceOrigin(source, [...path, "name"]);
  }

  /**
   * The setting of a key, or the setting that put an element into its list and was not undone; undefined for
   * defaults. Walks through the history, because callers rarely need it.
   */
  originOf(key: string, element?: string): Origin | undefined {
    if (key === "name") return this.definedAt;
    if (!isUnitKey(key)) return undefined;
    // By default a program runs in the directory of the file that sets its command.
    if (key === "directory" && this.#settings.directory === undefined) return this.originOf("command");
    let origin: Origin | undefined;
    for (const setting of this.history) {
      const value = setting.settings[key];
      if (value !== undefined) origin = originIn(setting, key, value, element) ?? mergedOrigin(key, origin);
      for (const edit of setting.edits) {
        if (edit.key === key) origin = originAfterEdit(origin, setting, edit, element);
      }
    }
    return origin;
  }

  /** The directory of the table that sets its command. */
  get #commandDirectory(): string | undefined {
    if (this.#settings.command === undefined) return undefined;
    return this.history.findLast(({ settings }) => settings.command !== undefined)?.source.directory;
  }

  toUnit(): Unit {
    const { name, order, settings } = this;
    return this.kind === "module"
      ? makeModule({ name, order, settings, directory: this.#commandDirectory })
      : makeTask({ name, order, settings });
  }
}

/** The place where a table sets a key, or lists an element of it. */
function originIn(setting: Setting, key: string, value: unknown, element?: string): Origin | undefined {
  const path = [...setting.path, key];
  if (element === undefined) return new SourceOrigin(setting.source, path);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.hasOwn(value, element) ? new SourceOrigin(setting.source, [...path, element]) : undefined;
  }
  const index = Array.isArray(value) ? value.indexOf(element) : -1;
  return index < 0 ? undefined : new SourceOrigin(setting.source, [...path, index]);
}

/** A table that is merged name by name does not change names that it does not have. */
function mergedOrigin(key: UnitKey, before: Origin | undefined): Origin | undefined {
  return rowOf(key).merge === "names" ? before : undefined;
}

function originAfterEdit(
  before: Origin | undefined,
  setting: Setting,
  { key, op, items }: ListEdit,
  element?: string,
): Origin | undefined {
  const written = op === "append" ? key : `${key}${op}`;
  if (element === undefined) return originIn(setting, written, items);
  if (op === "-") return items.includes(element) ? undefined : before;
  // An edit does not add an element that the list already has.
  return before ?? originIn(setting, written, items, element);
}
