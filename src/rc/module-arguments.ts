import type { Catalog, ModuleUnit, Unit } from "../units/index.js";
import type { ModuleOptionEdit } from "./host-protocol.js";

/** The arguments for later loads: the arguments of the units, changed by `setopt` (docs/design/planning.md §8). */
export class ModuleArguments {
  #edits: ModuleOptionEdit[] = [];
  #catalog: Catalog | undefined;
  #picks: ReadonlyMap<string, Unit> = new Map();

  /**
   * Sets the unit for each name of a module, with its arguments. Drops earlier edits, because the catalog was
   * composed with them.
   * @param picks provider of each service, where a plan has chosen; else the catalog's own first choice counts
   */
  use(catalog: Catalog, picks: ReadonlyMap<string, Unit> = new Map()): void {
    this.#catalog = catalog;
    this.#picks = picks;
    this.#edits = [];
  }

  edit(edit: ModuleOptionEdit): void {
    this.#edits.push(edit);
  }

  /** The present arguments of a module. */
  of(unit: ModuleUnit): readonly string[] {
    let args = unit.args;
    for (const { module, options, overwrite } of this.#edits) {
      if (this.#unitOf(module)?.name !== unit.name) continue;
      args = overwrite ? options : [...args, ...options];
    }
    return args;
  }

  /** All arguments as plain data: by unit where there are any, and the provider of each other service. */
  snapshot(): { args: Record<string, readonly string[]>; providers: Record<string, string> } {
    const args: Record<string, readonly string[]> = {};
    const providers: Record<string, string> = {};
    for (const [name] of this.#catalog?.providers ?? []) {
      const unit = this.#unitOf(name);
      if (unit?.kind !== "module") continue;
      if (unit.name !== name) providers[name] = unit.name;
      else if (unit.args.length > 0) args[name] = unit.args;
    }
    for (const edit of this.#edits) {
      const unit = this.#unitOf(edit.module);
      const name = unit?.name ?? edit.module;
      args[name] = edit.overwrite ? edit.options : [...(args[name] ?? []), ...edit.options];
    }
    return { args, providers };
  }

  /** A unit first, else the provider of a service. */
  #unitOf(name: string): Unit | undefined {
    return this.#catalog?.byName.get(name) ?? this.#picks.get(name) ?? this.#firstChoice(name);
  }

  #firstChoice(service: string): Unit | undefined {
    const candidates = this.#catalog?.providers.get(service) ?? [];
    const chosen = this.#catalog?.alternatives.findLast((alternative) => alternative.service === service);
    const enabled = candidates.filter(({ disabled }) => !disabled);
    let best: Unit | undefined;
    for (const unit of enabled.length > 0 ? enabled : candidates) {
      if (unit.name === chosen?.unit) return unit;
      // Later in load order wins a tie (docs/design/planning.md §4).
      if (best === undefined || unit.priority >= best.priority) best = unit;
    }
    return best;
  }
}
