import type { Origin } from "../../errors/index.js";
import type { Definition } from "../fragment.js";
import { isUnitKey } from "../keys.js";
import { ALL_RANKS } from "../rank-set.js";
import { applySetting, type ListEdit, type Setting, type Settings } from "../settings.js";
import { SourceOrigin } from "../source.js";
import type { Condition, Runlevel, Unit } from "../types.js";

const DEFAULT_PRIORITY = 100;
const NOTHING: readonly never[] = [];
const DEFAULT_RUNLEVELS: readonly Runlevel[] = ["rc1"];

/** A unit while it is being composed: what is set so far, and every table that had a part in it. */
export class UnitDraft {
  readonly name: string;
  readonly kind: Unit["kind"];
  readonly isCode: boolean;
  readonly order: number;
  #settings: Settings;
  readonly #history: [Definition, ...Setting[]];

  constructor(definition: Definition, order: number) {
    this.name = definition.name;
    this.kind = definition.kind;
    this.isCode = definition.isCode;
    this.order = order;
    this.#settings = definition.settings;
    this.#history = [definition];
  }

  get settings(): Settings {
    return this.#settings;
  }

  get priority(): number {
    return this.#settings.priority ?? DEFAULT_PRIORITY;
  }

  /** Services besides the one of its name. */
  get provides(): readonly string[] {
    return this.#settings.provides ?? NOTHING;
  }

  apply(setting: Setting): void {
    this.#settings = applySetting(this.#settings, setting);
    this.#history.push(setting);
  }

  /** The definition, and every table that changed it, in the order of composition. */
  get history(): readonly [Definition, ...Setting[]] {
    return this.#history;
  }

  /** Where the unit was first defined. */
  get definedAt(): Origin {
    const [{ source, path }] = this.#history;
    return new SourceOrigin(source, [...path, "name"]);
  }

  /**
   * What set a key, or put an element into its list and was not undone since; undefined for defaults.
   * Walks the history, because hardly anybody asks.
   */
  originOf(key: string, element?: string): Origin | undefined {
    if (key === "name") return this.definedAt;
    if (!isUnitKey(key)) return undefined;
    let origin: Origin | undefined;
    for (const setting of this.#history) {
      const value = setting.settings[key];
      if (value !== undefined) origin = originIn(setting, key, value, element);
      for (const edit of setting.edits) {
        if (edit.key === key) origin = originAfterEdit(origin, setting, edit, element);
      }
    }
    return origin;
  }

  toUnit(): Unit {
    return this.kind === "module" ? this.#toModule() : this.#toTask();
  }

  #toModule(): Unit {
    const settings = this.#settings;
    return {
      kind: "module",
      ...this.#common(),
      module: settings.module ?? this.name,
      args: settings.args ?? NOTHING,
      exec: settings.exec ?? false,
      loader: settings.loader,
      thread: settings.thread ?? "own",
      memoryLimitBytes: settings["memory-limit"]?.value,
      memoryLimitText: settings["memory-limit"]?.text,
      onFailure: settings["on-failure"] ?? "panic",
    };
  }

  #toTask(): Unit {
    const { command, runlevels } = this.#settings;
    return { kind: "task", ...this.#common(), command, runlevels: runlevels ?? DEFAULT_RUNLEVELS };
  }

  #common() {
    const settings = this.#settings;
    return {
      name: this.name,
      provides: this.provides,
      priority: this.priority,
      requires: settings.requires ?? NOTHING,
      needs: settings.needs ?? NOTHING,
      after: settings.after ?? NOTHING,
      before: settings.before ?? NOTHING,
      ranks: settings.ranks ?? ALL_RANKS,
      needsConfig: toConditions(settings["needs-config"]),
      needsAttrs: toConditions(settings["needs-attrs"]),
      needsEnv: toConditions(settings["needs-env"]),
      disabled: settings.disabled ?? false,
      timeoutMs: settings.timeout?.value,
      timeoutText: settings.timeout?.text,
      description: settings.description ?? "",
      order: this.order,
    };
  }
}

/** Where a table sets a key, or lists an element of it. */
function originIn(setting: Setting, key: string, value: unknown, element?: string): Origin | undefined {
  const path = [...setting.path, key];
  if (element === undefined) return new SourceOrigin(setting.source, path);
  const index = Array.isArray(value) ? value.indexOf(element) : -1;
  return index < 0 ? undefined : new SourceOrigin(setting.source, [...path, index]);
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
  // What was there already was not added again.
  return before ?? originIn(setting, written, items, element);
}

function toConditions(texts: readonly string[] | undefined): readonly Condition[] {
  if (texts === undefined) return NOTHING;
  return texts.map((text) =>
    text.startsWith("!") ? { key: text.slice(1), negated: true } : { key: text, negated: false },
  );
}
