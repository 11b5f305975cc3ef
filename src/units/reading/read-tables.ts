import type { Change, Definition, Fragment, NamedReference, Reading } from "../fragment.js";
import {
  checkAlternatives,
  checkLibrary,
  checkModule,
  checkTask,
  checkUpdate,
} from "../generated/validators.js";
import type { LibraryTable, UpdateTable } from "../generated/tables.js";
import { rowsOf } from "../keys/keys.js";
import { UNIT_KEYS } from "../keys/unit-keys.js";
import { isGroupReference } from "../groups.js";
import { isName, nameHint } from "../names.js";
import { explainErrors, isTable, locateProblems, type Problem, similarKey, wrongType } from "../problems.js";
import { readSetting } from "../settings.js";
import { type Path, type Source, SourceOrigin } from "../source.js";
import { quoted, shortened, typeName } from "../text.js";
import type { Validator } from "../validator.js";

const MODULE_TABLE_KEYS = ["name", ...rowsOf("module").map(({ key }) => key)];
const TASK_TABLE_KEYS = ["name", ...rowsOf("task").map(({ key }) => key)];
const UPDATE_TABLE_KEYS = UNIT_KEYS.map(({ key }) => key);
const LIBRARY_KEYS = ["file", "modules", "optional", "name", "as", "args"];
const FILE_KEYS = ["modules", "tasks", "libraries", "alternatives"];

/** The kind of the document, which decides the valid keys at the top level. */
export type DocumentKind = "unit-file" | "stack-file" | "rc-file" | "configuration";

/**
 * Reads the tables of a document (docs/design/planning.md §2). It reports all errors, and keeps the valid parts. So
 * one slip does not hide the next, nor make a name seem missing.
 * @param root the document, or for a configuration its `modules` table
 * @param base path of `root` in the source
 */
export function readTables(root: unknown, source: Source, kind: DocumentKind, base: Path = []): Reading {
  const reader = new TablesReader(source, kind, base);
  const fragment = reader.read(root);
  return { fragment, diagnostics: locateProblems(source, reader.problems), isBroken: !isTable(root) };
}

class TablesReader {
  readonly problems: Problem[] = [];
  readonly #source: Source;
  readonly #kind: DocumentKind;
  readonly #base: Path;
  readonly #definitions: Definition[] = [];
  readonly #changes: Change[] = [];
  #load: readonly NamedReference[] = [];
  #remove: readonly NamedReference[] = [];

  constructor(source: Source, kind: DocumentKind, base: Path) {
    this.#source = source;
    this.#kind = kind;
    this.#base = base;
  }

  read(root: unknown): Fragment {
    if (isTable(root)) this.#readRoot(root);
    else this.problems.push(notTables(root, this.#base));
    return {
      source: this.#source,
      definitions: this.#definitions,
      changes: this.#changes,
      load: this.#load,
      remove: this.#remove,
    };
  }

  #readRoot(root: Readonly<Record<string, unknown>>): void {
    if (this.#kind !== "configuration") {
      this.#readArray(root, "modules", (entry, path) => this.#readModule(entry, path));
      this.#readArray(root, "libraries", (entry, path) => this.#readLibrary(entry, path));
      this.#readArray(root, "tasks", (entry, path) => this.#readTask(entry, path));
    }
    for (const key of this.#keysInFileOrder(root, this.#base)) this.#readTopKey(key, root[key]);
  }

  #readTopKey(key: string, value: unknown): void {
    if (key === "$schema" && this.#kind !== "configuration") {
      // This key is for editors. It names the schema of the file.
      if (typeof value !== "string")
        this.problems.push(wrongType(key, "string", value, [...this.#base, key]));
    } else if (key === "alternatives") {
      this.#readAlternatives(value, [...this.#base, key]);
    } else if (this.#kind === "configuration" || !FILE_KEYS.includes(key)) {
      if (this.#mayLoad() && key === "load" && !isTable(value)) this.#load = this.#readNames(key, value);
      else if (this.#kind === "rc-file" && key === "remove" && !isTable(value)) {
        this.#remove = this.#readNames(key, value);
      } else this.#readUpdate(key, value);
    }
  }

  /** Whether the document may have `load` and `remove`. */
  #mayLoad(): boolean {
    return this.#kind === "rc-file" || this.#kind === "stack-file";
  }

  #readArray(
    root: Readonly<Record<string, unknown>>,
    key: string,
    readEntry: (entry: unknown, path: Path) => void,
  ): void {
    if (!Object.hasOwn(root, key)) return;
    const value = root[key];
    // This way of making an array leaves no spare room.
    const path: Path = [...this.#base, key];
    if (!Array.isArray(value)) {
      this.problems.push(wrongType(key, "tables", value, path));
      return;
    }
    for (let index = 0; index < value.length; index++) readEntry(value[index], path.concat(index));
  }

  #readModule(entry: unknown, path: Path): void {
    const table = this.#check(checkModule, entry, path, MODULE_TABLE_KEYS);
    if (table !== undefined) this.#define("module", table.name, table, path);
  }

  #readTask(entry: unknown, path: Path): void {
    const table = this.#check(checkTask, entry, path, TASK_TABLE_KEYS);
    if (table === undefined) return;
    // The tasks of an rc file are roots because the file contains them, not because of their runlevels.
    const { runlevels } = table;
    this.#define(
      "task",
      table.name,
      this.#kind === "rc-file" && runlevels === undefined ? { ...table, runlevels: [] } : table,
      path,
    );
  }

  #define(kind: "module" | "task", name: string, table: UpdateTable, path: Path, isPicked = false): void {
    const { settings, edits } = readSetting(table, this.#source, path, this.problems);
    const library = isPicked ? settings.module?.replace(/#[^#]*$/, "") : undefined;
    this.#definitions.push({
      source: this.#source,
      path,
      settings,
      edits,
      kind,
      name,
      isCode: false,
      library,
    });
  }

  /** A library defines a module for each of its picked modules (docs/design/modules.md §6). */
  #readLibrary(entry: unknown, path: Path): void {
    const library = this.#check(checkLibrary, entry, path, LIBRARY_KEYS);
    if (library === undefined) return;
    for (const [index, pick] of library.modules.entries()) {
      const { name, table } = pickedModule(library, pick);
      const at = [...path, "modules", index];
      this.#define("module", name, table, at, true);
    }
  }

  #readUpdate(target: string, value: unknown): void {
    const path = [...this.#base, target];
    if (!isTable(value)) {
      this.problems.push(this.#strayKey(target, path));
    } else if (!isName(target)) {
      this.problems.push(invalidName(target, path));
    } else {
      const table = this.#check(checkUpdate, value, path, UPDATE_TABLE_KEYS);
      if (table === undefined) return;
      if (table.name !== undefined && table.name !== target) {
        const message = `${target}: an update cannot change the name`;
        this.problems.push({ code: "UNIT_INVALID_VALUE", message, path: [...path, "name"], part: "value" });
      }
      const setting = readSetting(table, this.#source, path, this.problems);
      this.#changes.push({ kind: "update", target, setting });
    }
  }

  /** A word at the top with a plain value: the key of a unit, in place of a table. */
  #strayKey(key: string, path: Path): Problem {
    const hint = () =>
      similarKey(key, FILE_KEYS) ?? "keys of a unit go into a table of its name, or [[modules]]";
    return {
      code: "UNIT_UNKNOWN_KEY",
      message: `invalid config key ${shortened(key)}`,
      path,
      part: "key",
      hint,
    };
  }

  #readAlternatives(value: unknown, path: Path): void {
    const table = this.#check(checkAlternatives, value, path, []);
    if (table === undefined) return;
    for (const service of this.#keysInFileOrder(table, path)) {
      const unit = table[service];
      const at = [...path, service];
      if (!isName(service)) this.problems.push(invalidName(service, at));
      else if (unit !== undefined) {
        this.#changes.push({
          kind: "alternative",
          service,
          unit,
          origin: new SourceOrigin(this.#source, at),
        });
      }
    }
  }

  #readNames(key: string, value: unknown): NamedReference[] {
    const path: Path = [...this.#base, key];
    if (!Array.isArray(value)) {
      this.problems.push(wrongType(key, "array", value, path));
      return [];
    }
    const references: NamedReference[] = [];
    for (const [index, name] of value.entries()) {
      const at = path.concat(index);
      if (typeof name !== "string") this.problems.push(wrongType(key, "string", name, at));
      else if (!isName(name) && !isGroupReference(name)) {
        this.problems.push({ ...invalidName(name, at), part: "value" });
      } else references.push({ name, origin: new SourceOrigin(this.#source, at) });
    }
    return references;
  }

  /** A table that satisfies its schema; if it does not, the table without its invalid parts. */
  #check<T>(validator: Validator<T>, value: unknown, path: Path, known: readonly string[]): T | undefined {
    // A validator takes a date for an object.
    if (isTable(value) && validator(value)) return value;
    if (!isTable(value)) {
      this.problems.push(wrongType(keyOf(path), "object", value, path));
      return undefined;
    }
    const found = explainErrors(validator.errors, value, path, known);
    this.problems.push(...found);
    const wrong = new Set(found.map((problem) => problem.path[path.length]));
    const sound: unknown = Object.fromEntries(Object.entries(value).filter(([key]) => !wrong.has(key)));
    return validator(sound) ? sound : undefined;
  }

  /**
   * The keys of a table in the order written. JavaScript puts keys that look like array indices first. If a
   * unit has such a name, the places give the order.
   */
  #keysInFileOrder(table: object, path: Path): string[] {
    const keys = Object.keys(table);
    if (!/^(?:0|[1-9]\d*)$/.test(keys[0] ?? "")) return keys;
    const placed = keys.map((key) => ({ key, place: this.#source.locate([...path, key], "key") }));
    placed.sort(
      (a, b) =>
        (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0),
    );
    return placed.map(({ key }) => key);
  }
}

function pickedModule(
  { file, optional }: LibraryTable,
  pick: LibraryTable["modules"][number],
): { readonly name: string; readonly table: UpdateTable } {
  const { name, as = name, args } = typeof pick === "string" ? { name: pick } : pick;
  const table: UpdateTable = {
    module: `${file}#${name}`,
    ...(optional !== undefined && { optional }),
    ...(args !== undefined && { args }),
  };
  return { name: as, table };
}

function notTables(root: unknown, path: Path): Problem {
  const message = `expected tables, got ${typeName(root)}`;
  return { code: "UNIT_WRONG_TYPE", message, path, part: "value" };
}

function invalidName(name: string, path: Path): Problem {
  const message = `invalid name ${quoted(name)}`;
  return { code: "UNIT_INVALID_NAME", message, path, part: "key", hint: nameHint(name) };
}

/** The name of an entry's array or of a table, for messages. */
function keyOf(path: Path): string {
  return path.findLast((step) => typeof step === "string") ?? "";
}
