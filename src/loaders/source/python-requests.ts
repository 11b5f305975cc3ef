import type { RequestSpan } from "./startup-request.js";
import { type PythonLine, pythonTokens } from "./python-tokens.js";
import type { TokenList } from "./source-tokens.js";

const SENDERS = new Set(["rpc", "rpc_stream", "rpcStream"]);
/** The objects whose `run` enters the event loop, unlike `subprocess.run`. */
const RUNNERS = new Set(["h", "handle", "self", "asyncio", "aio", "module", ")"]);
const RUNS = new Set(["set_running", "setRunning", "reactor_run"]);
/** With these a request goes to another rank, or expects no answer. */
const OTHERWISE = new Set(["nodeid", "RPC_NORESPONSE", "FLUX_RPC_NORESPONSE"]);

/**
 * Requests that a Python module sends itself in `mod_main`, or in `__init__` and `run` of its `BrokerModule`, before
 * `run()` or `set_running()`. It ignores nested functions and lambdas, because they may be called at any time.
 * It also ignores requests to other ranks, which no order of units here concerns, and those that expect no answer.
 */
export function pythonRequests(text: string): RequestSpan[] {
  const { list, lines } = pythonTokens(text);
  const constants = constantsOf(list, lines);
  const entries = lines.flatMap((line, i) =>
    line.indent === 0 && definedBy(list, line, "def") === "mod_main" ? [i] : [],
  );
  const last = entries.at(-1);
  const main =
    last === undefined
      ? undefined
      : new Set(list.tokens.slice(lines[last]?.from, endOf(list, lines, last)).map(({ text }) => text));
  const bodies = [
    ...(last === undefined ? [] : [last]),
    ...methodsOf(list, lines, (name) => mentions(main, name)),
  ];
  return bodies.flatMap((body) => requestsIn(list, lines, body, constants)).sort((a, b) => a.start - b.start);
}

/** Without an entry function, the class runs. */
function mentions(main: ReadonlySet<string> | undefined, name: string): boolean {
  return main === undefined || main.has(name);
}

/** `TOPIC = "kvs.get"` at the left margin. A name with two values is left out. */
function constantsOf(list: TokenList, lines: readonly PythonLine[]): Map<string, string | undefined> {
  const constants = new Map<string, string | undefined>();
  for (const { indent, from, to } of lines) {
    if (indent > 0 || to !== from + 3 || !list.is(from + 1, "=") || list.at(from + 2).kind !== "string")
      continue;
    const name = list.at(from).text;
    constants.set(name, constants.has(name) ? undefined : list.at(from + 2).text);
  }
  return constants;
}

function methodsOf(
  list: TokenList,
  lines: readonly PythonLine[],
  isMade: (name: string) => boolean,
): number[] {
  const found: number[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    const name = line === undefined ? undefined : definedBy(list, line, "class");
    if (line === undefined || name === undefined || line.indent > 0) continue;
    const isModule = list.tokens.slice(line.from, line.to).some(({ text }) => text === "BrokerModule");
    const end = blockEnd(lines, i);
    if (!isModule || !isMade(name)) continue;
    for (let j = i + 1; j < end; j++) {
      const method = lines[j];
      if (method === undefined || method.indent !== lines[i + 1]?.indent) continue;
      const called = definedBy(list, method, "def");
      if (called === "__init__" || called === "run") found.push(j);
    }
  }
  return found;
}

/** The name that a line `def NAME`, `async def NAME` or `class NAME` defines. */
function definedBy(list: TokenList, { from }: PythonLine, keyword: "def" | "class"): string | undefined {
  const at = list.is(from, "async") ? from + 1 : from;
  return list.is(at, keyword) ? list.at(at + 1).text : undefined;
}

/** Index of the first line after the block that a line begins. */
function blockEnd(lines: readonly PythonLine[], start: number): number {
  const indent = lines[start]?.indent ?? 0;
  let i = start + 1;
  while (i < lines.length && (lines[i]?.indent ?? 0) > indent) i += 1;
  return i;
}

function endOf(list: TokenList, lines: readonly PythonLine[], start: number): number {
  return lines[blockEnd(lines, start)]?.from ?? list.length;
}

function requestsIn(
  list: TokenList,
  lines: readonly PythonLine[],
  start: number,
  constants: ReadonlyMap<string, string | undefined>,
): RequestSpan[] {
  const head = lines[start];
  if (head === undefined) return [];
  const found: RequestSpan[] = [];
  const end = blockEnd(lines, start);
  const oneLine = { ...head, from: colonAfter(list, head.from, head.to) };
  for (let i = start; i < end;) {
    const line = i === start ? oneLine : lines[i];
    if (line === undefined) break;
    const isNested =
      definedBy(list, line, "def") !== undefined || definedBy(list, line, "class") !== undefined;
    if (i !== start && isNested) {
      i = blockEnd(lines, i);
      continue;
    }
    if (!scanLine(list, line, constants, found)) break;
    i += 1;
  }
  return found;
}

/** Adds the requests of a line. @returns whether the module still does not run after it */
function scanLine(
  list: TokenList,
  { from, to }: PythonLine,
  constants: ReadonlyMap<string, string | undefined>,
  found: RequestSpan[],
): boolean {
  for (let i = from; i < to; i++) {
    if (list.is(i, "lambda")) i = lambdaEnd(list, i, to);
    if (!list.isWord(i) || !list.is(i - 1, ".") || !list.is(i + 1, "(")) continue;
    const { text } = list.at(i);
    if (RUNS.has(text) || (text === "run" && RUNNERS.has(list.at(i - 2).text))) return false;
    const request = SENDERS.has(text) ? requestAt(list, i, constants) : undefined;
    if (request !== undefined) found.push(request);
  }
  return true;
}

/** The last token of a lambda. */
function lambdaEnd(list: TokenList, lambda: number, to: number): number {
  let i = colonAfter(list, lambda, to) + 1;
  for (; i < to && !list.is(i, ",") && !list.closes(i); i++) if (list.opens(i)) i = list.closing(i);
  return i - 1;
}

/** Index of the first colon outside brackets. */
function colonAfter(list: TokenList, from: number, to: number): number {
  let i = from;
  for (; i < to && !list.is(i, ":"); i++) if (list.opens(i)) i = list.closing(i);
  return i;
}

function requestAt(
  list: TokenList,
  sender: number,
  constants: ReadonlyMap<string, string | undefined>,
): RequestSpan | undefined {
  const open = sender + 1;
  const closing = list.closing(open);
  for (let i = open + 1; i < closing; i++) {
    if (list.isWord(i) && OTHERWISE.has(list.at(i).text)) return undefined;
    if (list.opens(i)) i = list.closing(i);
  }
  const at = list.is(open + 1, "topic") && list.is(open + 2, "=") ? open + 3 : open + 1;
  const topic = list.at(at);
  const isWhole = topic.kind !== "open" && (list.is(at + 1, ",") || list.is(at + 1, ")"));
  const head = topic.kind === "word" && isWhole ? constants.get(topic.text) : topic.text;
  if (head === undefined || (topic.kind === "word" && !isWhole)) return undefined;
  if (topic.kind === "punctuation" || topic.kind === "number") return undefined;
  return { head, isOpen: !isWhole, start: list.at(sender).start, end: topic.end };
}
