import type { Path } from "../source.js";
import type { SourceKey, UnitSketch } from "./sketch.js";

export type Table = Readonly<Record<string, unknown>>;

/** Why a key that process-compose has is a comment. */
export const NO_KEY = "the key is unknown";

/** The file that a process is in. */
export interface ProcessFile {
  /** Where a key is, and how it is written. */
  at(path: Path): SourceKey;
  /** A text as its tool reads it; undefined if it has a variable or a template. */
  plainText(value: unknown): string | undefined;
  /** Each key of a value has a comment of its own. */
  loseAll(path: Path, value: unknown, why: string, lose: (key: SourceKey, why: string) => void): void;
}

/** `A=B` of a list; a lone name is taken from the environment of process-compose. */
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
