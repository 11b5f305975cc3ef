import type { Path } from "../source.js";
import type { SourceKey, UnitSketch } from "./sketch.js";

export type Table = Readonly<Record<string, unknown>>;

/** The file that a process is in. */
export interface ProcessFile {
  /** The place and the spelling of a key. */
  at(path: Path): SourceKey;
  /** A text in the reading of its tool; undefined if it has a variable or a template. */
  plainText(value: unknown): string | undefined;
  /** Each key of a value has a comment of its own. */
  loseAll(path: Path, value: unknown, why: string, lose: (key: SourceKey, why: string) => void): void;
}

/** A list of `A=B`. A single name takes its value from the environment of process-compose. */
export function readEnvironment(
  file: ProcessFile,
  unit: UnitSketch,
  path: Path,
  list: readonly unknown[],
): void {
  const at = file.at(path);
  const values: Record<string, string> = {};
  for (const item of list) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(file.plainText(item) ?? "") ?? [];
    if (name === undefined || value === undefined)
      unit.lose({ ...at, text: `${at.text} ${scalarText(item)}` }, variableText(item));
    else values[name] = value;
  }
  unit.merge("environment", values, at);
}

export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A scalar as text; empty for a list or a table. */
export function scalarText(value: unknown): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : "";
}

/** Why the importer cannot translate a value, with the default if it has one. */
export function variableText(value: unknown): string {
  const [, name, other] = /\$\{([A-Za-z_]\w*)(?::?-([^}]*))?\}/.exec(scalarText(value)) ?? [];
  if (name === undefined) return "needs a variable, or has an unknown form";
  return other === undefined
    ? `needs the variable ${name}`
    : `needs the variable ${name}, by default ${other}`;
}
