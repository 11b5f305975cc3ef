import type { SourceMap } from "node:module";

/** Code that runs under the name of its source file. */
interface MadeFile {
  readonly code: string;
  /** The number of lines before the first line of the code. */
  readonly linesBefore: number;
  /** Read when the file first appears in a stack. */
  map?: SourceMap | undefined;
}

/** One call of a stack, which describes itself as text. */
interface Call extends NodeJS.CallSite {
  toString(): string;
}

const MAP_MARK = "//# sourceMappingURL=data:application/json;base64,";

const made = new Map<string, MadeFile>();

/** Keeps the data that finds places of a file whose code was made from it. */
export function rememberCode(path: string, code: string, linesBefore = 0): void {
  if (code.includes(MAP_MARK)) made.set(path, { code, linesBefore });
}

/** Drops the data of a file, because its code now has the same lines as the file. */
export function forgetCode(path: string): void {
  made.delete(path);
}

/**
 * Makes the stacks of errors in this thread name places in the source files. Only our own threads and processes may
 * call it, because one function formats the stacks of all their code.
 */
export function showWrittenPlaces(): void {
  Error.prepareStackTrace = (error, calls) =>
    [headOf(error), ...calls.map((call) => `    at ${textOf(call)}`)].join("\n");
}

/** The first line of a stack in the form of Node, which shows the code of its own errors. */
function headOf(error: Error): string {
  const isOfNode = "code" in error && String(error.code).startsWith("ERR_") && !error.name.includes("[");
  if (isOfNode) return `${error.name} [${String(error.code)}]: ${error.message}`;
  return Error.prototype.toString.call(error);
}

function textOf(call: Call): string {
  const text = call.toString();
  const [file, line, column] = [call.getFileName(), call.getLineNumber(), call.getColumnNumber()];
  if (typeof file !== "string" || line === null || column === null) return text;
  const place = writtenPlace(file, line, column);
  return place === undefined ? text : text.replace(`${file}:${line}:${column}`, () => `${file}:${place}`);
}

/** The `LINE:COLUMN` in a file for a place in its code; undefined if its code was not made. */
function writtenPlace(path: string, line: number, column: number): string | undefined {
  const file = made.get(path);
  if (file === undefined) return undefined;
  file.map ??= readMap(file.code);
  const lineIndex = line - 1 - file.linesBefore;
  const text = file.code.split("\n", lineIndex + 1)[lineIndex] ?? "";
  const entry = file.map.findEntry(lineIndex, startOfCall(text, column - 1));
  return "originalLine" in entry ? `${entry.originalLine + 1}:${entry.originalColumn + 1}` : undefined;
}

/**
 * The compiler turns a call of an import into `(0, a.f)()`. V8 gives the place of the second parenthesis for the
 * call, and the place of `f` for `f()`.
 */
function startOfCall(line: string, index: number): number {
  const called = line[index] === "(" ? /\(0, [\w$]+\.[\w$]+\)$/.exec(line.slice(0, index)) : null;
  return called?.index ?? index;
}

function readMap(code: string): SourceMap {
  const encoded = code.slice(code.lastIndexOf(MAP_MARK) + MAP_MARK.length);
  const { SourceMap } = process.getBuiltinModule("node:module");
  return new SourceMap(
    JSON.parse(Buffer.from(encoded, "base64").toString()) as ConstructorParameters<typeof SourceMap>[0],
  );
}
