/** A value of a fragment. */
export type FragmentValue =
  string | number | boolean | readonly FragmentValue[] | { readonly [key: string]: FragmentValue };

/** Why a key of another format becomes a comment. */
export const NO_KEY = "Sluice has no such key";

/** A key of the source: its line and its spelling. */
export interface SourceKey {
  /** The line, from 1. */
  readonly line: number;
  readonly text: string;
}

/** The comment about a key of the source. */
export interface Remark extends SourceKey {
  readonly why: string;
  /** True: the fragment lacks the key. False: the comment names the key's place in the fragment. */
  readonly isLost: boolean;
}

interface SketchedKey {
  readonly value: FragmentValue;
  readonly from: readonly SourceKey[];
  /** The rule of the source, if the source does not have the key itself. */
  readonly rule?: string | undefined;
}

/** A unit made from a file of another tool, during the import. */
export class UnitSketch {
  kind: "module" | "task" = "module";
  readonly name: string;
  readonly source: SourceKey;
  readonly keys = new Map<string, SketchedKey>();
  readonly remarks: Remark[] = [];
  #isWithoutCommand = false;

  /** @param source the key that defines it */
  constructor(name: string, source: SourceKey) {
    this.name = name;
    this.source = source;
  }

  /** Carries a key of the source over. */
  set(key: string, value: FragmentValue, ...from: readonly SourceKey[]): void {
    // The replacement command must not run, whatever keys the source has.
    if (key === "disabled" && this.#isWithoutCommand) {
      for (const each of from) this.say(each, "the unit is disabled until the command is written");
      return;
    }
    this.keys.set(key, { value, from });
  }

  /** Writes out a value that the source's tool sets by itself. */
  setByRule(key: string, value: FragmentValue, rule: string, ...from: readonly SourceKey[]): void {
    this.keys.set(key, { value, from, rule });
  }

  /** Adds to a list or a table that comes from several keys of the source. */
  merge(key: string, part: Readonly<Record<string, FragmentValue>>, ...from: readonly SourceKey[]): void {
    const known = this.keys.get(key);
    const value = { ...(known?.value as Record<string, FragmentValue> | undefined), ...part };
    this.keys.set(key, { value, from: [...(known?.from ?? []), ...from], rule: known?.rule });
  }

  append(key: string, items: readonly FragmentValue[], ...from: readonly SourceKey[]): void {
    const known = this.keys.get(key);
    const value = [...((known?.value as readonly FragmentValue[] | undefined) ?? []), ...items];
    this.keys.set(key, { value, from: [...(known?.from ?? []), ...from] });
  }

  /** Records a key that is not translated. */
  lose(key: SourceKey, why: string): void {
    this.remarks.push({ ...key, why, isLost: true });
  }

  /** Records a key that needs no equivalent here. */
  say(key: SourceKey, why: string): void {
    this.remarks.push({ ...key, why, isLost: false });
  }

  /** The importer cannot translate its command: the unit stays disabled until the user writes the command. */
  disable(key: SourceKey, why: string): void {
    this.lose(key, `${why}; the unit is disabled`);
    this.#isWithoutCommand = true;
    this.setByRule("command", ["false"], "in place of the command that is not carried over");
    this.setByRule("disabled", true, "until the command is written");
  }
}

/** Names that units cannot have, because they are keys of a fragment. */
const RESERVED = /^(?:__proto__|modules|tasks|alternatives|libraries)$/;

/**
 * The name of a unit for a name from another tool, which may have other characters.
 * @param taken names that are in use; the new one is added
 */
export function unitName(name: string, taken?: Set<string>): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_@:+-]/g, "-").slice(0, 200);
  const valid = /^[A-Za-z0-9_]/.test(plain) && !RESERVED.test(plain) ? plain : `unit-${plain}`;
  let free = valid;
  for (let number = 2; taken?.has(free) === true; number++) free = `${valid}-${number}`;
  taken?.add(free);
  return free;
}

/** The translation of one file. */
export interface ImportedFile {
  readonly file: string;
  readonly units: readonly UnitSketch[];
  /** The remarks about keys outside of units. */
  readonly remarks: readonly Remark[];
}

/** Whether the fragment contains every key of the file. */
export function isComplete({ units, remarks }: ImportedFile): boolean {
  return ![...remarks, ...units.flatMap((unit) => unit.remarks)].some(({ isLost }) => isLost);
}

/** Lines of a fragment in TOML, with a comment for each key of the source. */
export function fragmentLines({ file, units, remarks }: ImportedFile): string[] {
  const ordered = [...units].sort((a, b) => Number(a.kind === "task") - Number(b.kind === "task"));
  return [
    comment(`From ${file}, by sluice import. Relative paths count from the directory of this file.`),
    ...remarks.map((remark) => remarkLine(file, remark)),
    ...ordered.flatMap((unit) => ["", ...unitLines(file, unit)]),
  ];
}

function unitLines(file: string, { kind, name, source, keys, remarks }: UnitSketch): string[] {
  const place = ({ line }: SourceKey): string => `${file}:${line}`;
  return [
    `[[${kind}s]]`,
    `name = ${valueText(name)} ${comment(place(source))}`,
    ...[...keys].map(([key, { value, from, rule }]) => {
      const places = [...new Set(from.map(place))].join(", ");
      const said = rule === undefined ? places : [rule, places].filter(Boolean).join(": ");
      return `${key} = ${valueText(value)} ${comment(said)}`;
    }),
    ...remarks.map((remark) => remarkLine(file, remark)),
  ];
}

function remarkLine(file: string, { line, text, why, isLost }: Remark): string {
  return comment(`${file}:${line}: ${isLost ? "not carried over: " : ""}${text}: ${why}`);
}

/** A comment must not contain control characters other than the tab, and ends with the line. */
function comment(text: string): string {
  return `# ${text.replace(/[^\P{Cc}\t]/gu, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)}`;
}

/** Strings of JSON are strings of TOML, except for one control character that JSON does not escape. */
function valueText(value: FragmentValue): string {
  if (typeof value !== "object") return JSON.stringify(value).replaceAll("\u007f", "\\u007f");
  if (isList(value)) return `[${value.map(valueText).join(", ")}]`;
  const entries = Object.entries(value).map(([key, item]) => `${keyText(key)} = ${valueText(item)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function isList(value: object): value is readonly FragmentValue[] {
  return Array.isArray(value);
}

function keyText(key: string): string {
  return /^[\w-]+$/.test(key) ? key : valueText(key);
}
