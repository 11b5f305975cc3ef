/** Programs that read dotenv files too, each in its own way (docs/design/programs.md §1). */
export type DotenvReader = "foreman" | "systemd" | "docker";

/** A line that another program reads otherwise. */
export interface DotenvDoubt {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly why: string;
}

const ALL: readonly DotenvReader[] = ["foreman", "systemd", "docker"];

/**
 * Lines of a dotenv file that mean something else to foreman, systemd or docker than to a unit. `environmentProblems`
 * reports lines that are no assignment.
 * @param text of the file
 */
export function dotenvDoubts(text: string): DotenvDoubt[] {
  return text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .flatMap((line, at) => doubtsOf(line).map((doubt) => ({ line: at + 1, ...doubt })));
}

function doubtsOf(line: string): Omit<DotenvDoubt, "line">[] {
  const [head, blank, word] = /^(\s*)(export\s+)?[A-Za-z_][A-Za-z0-9_]*=/.exec(line) ?? [];
  if (head === undefined || blank === undefined) return [];
  const rest = line.slice(head.length);
  const value = rest.trimStart();
  const column = head.length + rest.length - value.length + 1;
  const found: Omit<DotenvDoubt, "line">[] = [];
  const doubt = (at: number, readers: readonly DotenvReader[], how: string): void => {
    found.push({ column: at, why: `${listOf(readers)} ${readers.length === 1 ? "reads" : "read"} ${how}` });
  };
  if (word !== undefined) doubt(blank.length + 1, ALL, "no variable of a line with export");
  if (value.startsWith('"') || value.startsWith("'")) {
    doubt(column, ["docker"], "the quotes as a part of the value");
    const escape = value.startsWith('"') ? (/\\([nrt])/.exec(value) ?? undefined) : undefined;
    if (escape !== undefined) {
      const readers: readonly DotenvReader[] = escape[1] === "n" ? ["systemd"] : ["foreman", "systemd"];
      doubt(column + escape.index, readers, `\\${escape[1] ?? ""} as other characters`);
    }
    return found;
  }
  const comment = /\s#/.exec(rest);
  if (comment !== null)
    doubt(head.length + comment.index + 2, ALL, "the # and the text after it as a part of the value");
  const backslash = value.replace(/\s#.*$/, "").indexOf("\\");
  if (backslash >= 0) doubt(column + backslash, ["systemd"], "the backslash as an escape");
  return found;
}

function listOf(readers: readonly DotenvReader[]): string {
  const last = readers.at(-1) ?? "";
  return readers.length === 1 ? last : `${readers.slice(0, -1).join(", ")} and ${last}`;
}
