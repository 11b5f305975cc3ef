import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { ERRNO, errnumOf, isErrno, messageOf, SluiceError, strerror } from "../../errors/index.js";

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  "\\": "\\",
  $: "$",
};

/** A line that the grammar does not allow, or the variable that it sets; undefined for a line that sets no variable. */
type LineResult =
  | { readonly name: string; readonly value: string }
  | { readonly column: number; readonly problem: string }
  | undefined;

/**
 * The variables of dotenv files (docs/design/programs.md §1), the later file over the earlier.
 * @param files relative to the directory; a file with `-` in front may be absent
 * @throws SluiceError `LOAD_FAILED` with `EINVAL`, every mistake with its place; or why a file cannot be read
 */
export async function readEnvironmentFiles(
  files: readonly string[],
  directory: string,
): Promise<Readonly<Record<string, string>>> {
  const all: Record<string, string> = {};
  for (const written of files) {
    const isOptional = written.startsWith("-");
    const path = resolve(directory, isOptional ? written.slice(1) : written);
    const content = await readContent(path, isOptional);
    if (content !== undefined) Object.assign(all, parseEnvironment(content, path));
  }
  return all;
}

async function readContent(path: string, isOptional: boolean): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (isOptional && isErrno(cause, "ENOENT")) return undefined;
    const errnum = errnumOf(cause);
    const reason = errnum === undefined ? messageOf(cause) : strerror(errnum);
    throw new SluiceError("LOAD_FAILED", `environment-file ${path}: ${reason}`, { errnum, cause });
  }
}

/** A line that the grammar does not allow; line and column are from 1. */
export interface EnvironmentProblem {
  readonly line: number;
  readonly column: number;
  readonly problem: string;
}

/** The lines of a dotenv file with which a load fails. */
export function environmentProblems(content: string | Buffer): readonly EnvironmentProblem[] {
  return readLines(content).problems;
}

/**
 * The variables of one file.
 * @param path for messages
 * @throws SluiceError `LOAD_FAILED` with `EINVAL`, every mistake with its place
 */
export function parseEnvironment(content: string | Buffer, path: string): Readonly<Record<string, string>> {
  const { variables, problems } = readLines(content);
  if (problems.length === 0) return variables;
  const told = problems.map(({ line, column, problem }) => `${path}:${line}:${column}: ${problem}`);
  throw new SluiceError("LOAD_FAILED", told.join("; "), { errnum: ERRNO.EINVAL });
}

function readLines(content: string | Buffer): {
  readonly variables: Readonly<Record<string, string>>;
  readonly problems: readonly EnvironmentProblem[];
} {
  const variables: Record<string, string> = {};
  const problems = typeof content === "string" ? [] : undecodableLines(content);
  for (const [at, line] of content
    .toString()
    .replace(/^\ufeff/, "")
    .split("\n")
    .entries()) {
    const result = parseLine(line.endsWith("\r") ? line.slice(0, -1) : line);
    if (result === undefined) continue;
    if ("problem" in result) problems.push({ line: at + 1, ...result });
    else variables[result.name] = result.value;
  }
  return { variables, problems };
}

/** A program would get other characters than these lines have. */
function undecodableLines(content: Buffer): EnvironmentProblem[] {
  if (isUtf8(content)) return [];
  const problems: EnvironmentProblem[] = [];
  let start = 0;
  for (let line = 1; start <= content.length; line++) {
    const end = content.indexOf("\n", start);
    const bytes = content.subarray(start, end < 0 ? content.length : end);
    if (!isUtf8(bytes)) problems.push({ line, column: 1, problem: "the line is not UTF-8" });
    start += bytes.length + 1;
  }
  return problems;
}

function parseLine(line: string): LineResult {
  if (/^\s*(?:#|$)/.test(line)) return undefined;
  const [head, name] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=/.exec(line) ?? [];
  if (head === undefined || name === undefined) {
    return {
      column: line.length - line.trimStart().length + 1,
      problem: "expected NAME=VALUE, without blanks around =",
    };
  }
  if (line.includes("\0")) return { column: line.indexOf("\0") + 1, problem: "a value cannot hold a NUL" };
  const rest = line.slice(head.length);
  const value = rest.trimStart();
  const column = head.length + rest.length - value.length + 1;
  if (value.startsWith("'")) return named(name, column, singleQuoted(value));
  if (value.startsWith('"')) return named(name, column, doubleQuoted(value));
  // In `NAME= # text` the value is empty: the code above has removed the blank before the comment.
  const isEmpty = rest !== value && value.startsWith("#");
  return { name, value: isEmpty ? "" : value.replace(/\s#.*$/, "").trimEnd() };
}

type Value =
  { readonly value: string; readonly end: number } | { readonly at: number; readonly problem: string };

function singleQuoted(text: string): Value {
  const end = text.indexOf("'", 1);
  return end < 0
    ? { at: 0, problem: "the quote does not end on its line" }
    : after(text, text.slice(1, end), end + 1);
}

function doubleQuoted(text: string): Value {
  let value = "";
  for (let at = 1; at < text.length; at++) {
    const letter = text.charAt(at);
    if (letter === '"') return after(text, value, at + 1);
    if (letter !== "\\") {
      value += letter;
      continue;
    }
    const escaped = ESCAPES[text.charAt(++at)];
    if (escaped === undefined) {
      return { at: at - 1, problem: 'in "…" a \\ is followed by one of n r t " \\ $' };
    }
    value += escaped;
  }
  return { at: 0, problem: "the quote does not end on its line" };
}

/** Only a comment may follow a value in quotes. */
function after(text: string, value: string, end: number): Value {
  return /^(?:\s*|\s+#.*)$/.test(text.slice(end))
    ? { value, end }
    : {
        at: end,
        problem: "expected the end of the line, or a blank and a comment; quotes go around a whole value",
      };
}

function named(name: string, column: number, value: Value): LineResult {
  return "problem" in value
    ? { column: column + value.at, problem: value.problem }
    : { name, value: value.value };
}
