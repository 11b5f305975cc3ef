import type { Diagnostic } from "../../errors/index.js";
import { parseDocument } from "../formats/document.js";
import type { DocumentSource, Path } from "../source.js";
import { ProcessReader } from "./process-compose-process.js";
import { isTable, type ProcessFile, readEnvironment, type Table } from "./process-compose-values.js";
import { type ImportedFile, NO_KEY, type Remark, type SourceKey, unitName, UnitSketch } from "./sketch.js";

/** A parsed file, or its problem. */
export type ProcessComposeResult =
  | { readonly ok: true; readonly value: ImportedFile }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/**
 * Reads a file of process-compose (docs/design/programs.md §2). `$$` becomes `$`. A value with a variable in it
 * becomes a comment, because the importer has another environment than the stack.
 * @param hasDotenv whether there is a `.env` beside it, which process-compose reads
 */
export function importProcessCompose(text: string, file: string, hasDotenv: boolean): ProcessComposeResult {
  const parsed = parseDocument(text, file, "yaml");
  if (!parsed.ok) return parsed;
  const reader = new FileReader(text, parsed.source, parsed.value);
  return { ok: true, value: { file, ...reader.read(hasDotenv) } };
}

/** The keys of one file, and their results. */
class FileReader implements ProcessFile {
  readonly #lines: readonly string[];
  readonly #source: DocumentSource;
  readonly #root: Table;
  readonly #remarks: Remark[] = [];
  #isPlain = false;

  constructor(text: string, source: DocumentSource, value: unknown) {
    this.#lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
    this.#source = source;
    this.#root = isTable(value) ? value : {};
  }

  read(hasDotenv: boolean): { readonly units: readonly UnitSketch[]; readonly remarks: readonly Remark[] } {
    this.#isPlain = this.#root["disable_env_expansion"] === true;
    const processes = this.#root["processes"];
    const tables = isTable(processes) ? processes : {};
    const shell = this.#shell();
    const units = new Map<string, UnitSketch>();
    const taken = new Set<string>();
    for (const name of Object.keys(tables))
      units.set(name, new UnitSketch(unitName(name, taken), this.#at(["processes", name])));
    this.#atTop(units, hasDotenv);
    for (const [name, unit] of units) {
      const body = tables[name];
      const reader = new ProcessReader(this, unit, ["processes", name], { shell, tables, units });
      reader.read(isTable(body) ? body : {});
    }
    return { units: [...units.values()], remarks: this.#remarks };
  }

  /** The place and the spelling of a key. */
  at(path: Path): SourceKey {
    return this.#at(path);
  }

  #at(path: Path): SourceKey {
    const line = this.#source.locate(path, "key").line;
    return { line, text: this.#lines[line - 1]?.trim() ?? "" };
  }

  /** Each key of a value has a comment of its own. */
  loseAll(path: Path, value: unknown, why: string, lose: (key: SourceKey, why: string) => void): void {
    lose(this.#at(path), why);
    if (isTable(value)) {
      for (const [key, below] of Object.entries(value)) {
        this.loseAll([...path, key], below, `of ${String(path.at(-1))}`, lose);
      }
    } else if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) {
        if (!isTable(item)) continue;
        for (const [key, below] of Object.entries(item)) {
          this.loseAll([...path, at, key], below, `of ${String(path.at(-1))}`, lose);
        }
      }
    }
  }

  /** A text in the reading of its tool; undefined if it has a variable or a template. */
  plainText(value: unknown): string | undefined {
    if (typeof value !== "string" || value.includes("{{")) return undefined;
    if (this.#isPlain) return value;
    return value.replaceAll("$$", "").includes("$") ? undefined : value.replaceAll("$$", "$");
  }

  #lose = (key: SourceKey, why: string): void => {
    this.#remarks.push({ ...key, why, isLost: true });
  };

  #say(path: Path, why: string): void {
    this.#remarks.push({ ...this.#at(path), why, isLost: false });
  }

  #shell(): readonly string[] | undefined {
    const { shell } = this.#root;
    if (!isTable(shell)) return undefined;
    const program = this.plainText(shell["shell_command"]);
    const argument = this.plainText(shell["shell_argument"]);
    return program === undefined || argument === undefined ? undefined : [program, argument];
  }

  #atTop(units: ReadonlyMap<string, UnitSketch>, hasDotenv: boolean): void {
    for (const [key, value] of Object.entries(this.#root)) {
      if (key === "processes" && isTable(value)) this.#say([key], "each process is a unit");
      else if (key === "version") this.#say([key], "of the source");
      else if (key === "disable_env_expansion") this.#say([key], value === true ? "$ is plain" : "$$ is $");
      else if (key === "environment" && Array.isArray(value)) {
        for (const unit of units.values()) readEnvironment(this, unit, [key], value);
        if (units.size === 0) this.#lose(this.#at([key]), "the file has no process");
      } else if (key === "shell" && this.#shell() !== undefined && isTable(value)) {
        this.#say([key], "in each command");
        for (const below of Object.keys(value)) {
          if (below === "shell_command" || below === "shell_argument")
            this.#say([key, below], "in each command");
          else this.loseAll([key, below], value[below], NO_KEY, this.#lose);
        }
      } else this.loseAll([key], value, NO_KEY, this.#lose);
    }
    if (!hasDotenv) return;
    for (const unit of units.values())
      unit.setByRule("environment-file", ["-.env"], "process-compose reads this file");
  }
}
