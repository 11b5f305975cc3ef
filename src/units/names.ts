/** Words at the top level of a unit file that cannot be names of units. */
const RESERVED: ReadonlySet<string> = new Set(["__proto__", "modules", "tasks", "alternatives", "libraries"]);

/** Whether a text may name a unit or a service (docs/design/planning.md §1); the same rule as `name` in the schema. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_@:+-]{0,254}$/.test(text) && !RESERVED.has(text);
}

/** Why a text is no name, for hints. */
export function nameHint(text: string): string {
  return RESERVED.has(text) ? `${text} is a reserved word` : NAME_RULE;
}

const NAME_RULE =
  "names are letters, digits and _ @ : + -, start with a letter, digit or _, and have at most 255 bytes";
