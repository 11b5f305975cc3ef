import type { RequestSpan } from "./startup-request.js";
import { scriptTokens } from "./script-tokens.js";
import type { TokenList } from "./source-tokens.js";

/** Tokens from one index up to another. */
type Range = readonly [from: number, to: number];

const SENDERS = new Set(["rpc", "rpcStream"]);
/** Parts of a `BrokerModule` that run before it reports running (docs/design/modules.md §5). */
const START_UP = new Set(["constructor", "setup", "run"]);
/** After these, brackets and a block are no function. */
const STATEMENTS = new Set(["if", "for", "while", "switch", "catch", "with", "await"]);
/** The tokens that the return type of a method may contain. */
const IN_TYPE = /^(?:[\w$]+|[<>|&.,[\]])$/;
const TYPE_TOKENS_MAX = 40;
/**
 * The number of tokens from a name or keyword to its bracket. Without a limit, the walk would not be linear on
 * unusual input.
 */
const HEAD_TOKENS_MAX = 200;

/**
 * Requests that a JavaScript or TypeScript module sends itself in `modMain`, or in the constructor, `setup` and `run`
 * of its `BrokerModule`, before `run()` or `setRunning()`. It ignores the code of inner functions, because they may
 * be called at any time. It also ignores requests to other ranks, which no order of units here concerns.
 */
export function scriptRequests(text: string): RequestSpan[] {
  const list = scriptTokens(text);
  const constants = constantsOf(list);
  return bodiesOf(list)
    .flatMap((body) => requestsIn(list, body, constants))
    .sort((a, b) => a.start - b.start);
}

/** Texts with names, `const TOPIC = "kvs.get"`. A name with two texts is left out. */
function constantsOf(list: TokenList): Map<string, string | undefined> {
  const constants = new Map<string, string | undefined>();
  for (let i = 0; i < list.length; i++) {
    if (!list.is(i, "const") || !list.is(i + 2, "=") || list.at(i + 3).kind !== "string") continue;
    const name = list.at(i + 1).text;
    constants.set(name, constants.has(name) ? undefined : list.at(i + 3).text);
  }
  return constants;
}

function bodiesOf(list: TokenList): Range[] {
  const names = new Set(["modMain", "mod_main"]);
  const classes = new Map<string, Range[]>();
  for (let i = 0; i < list.length; i++) {
    // export { main as modMain }
    if (list.is(i, "as") && names.has(list.at(i + 1).text)) names.add(list.at(i - 1).text);
    if (list.is(i, "extends") && list.is(i + 1, "BrokerModule")) {
      const named = list.is(i - 1, "class") ? "" : list.at(i - 1).text;
      classes.set(named, startUpOf(list, i + 2));
    }
  }
  const bodies: Range[] = [];
  for (let i = 0; i < list.length; i++) {
    const entry = names.has(list.at(i).text) && list.isWord(i) ? entryAt(list, i) : [];
    bodies.push(...entry);
    if (entry[0] !== undefined) i = entry[0][1];
    else if (list.opens(i) && !list.is(i, "(")) i = Math.max(i, list.closing(i));
  }
  if (bodies.length === 0) return [...classes.values()].flat();
  const words = new Set(bodies.flatMap(([from, to]) => list.tokens.slice(from, to).map(({ text }) => text)));
  return [...bodies, ...[...classes].flatMap(([name, parts]) => (words.has(name) ? parts : []))];
}

/** The body of `function modMain(…) {…}`, or of `modMain = async (…) => …`. */
function entryAt(list: TokenList, name: number): Range[] {
  if (list.is(name - 1, "function") || list.is(name - 2, "function")) {
    const open = bodyAfter(list, list.closing(nextBracket(list, name + 1)));
    return open === undefined ? [] : [[open + 1, list.closing(open)]];
  }
  for (let i = name + 1, left = HEAD_TOKENS_MAX; left > 0 && !list.is(i, ";"); i++, left--) {
    if (list.is(i, "=>")) return [arrowBody(list, i)];
    if (list.is(i, "function")) {
      const open = bodyAfter(list, list.closing(nextBracket(list, i + 1)));
      return open === undefined ? [] : [[open + 1, list.closing(open)]];
    }
    if (list.opens(i)) i = list.closing(i);
    else if (list.closes(i)) break;
  }
  return [];
}

function startUpOf(list: TokenList, from: number): Range[] {
  let open = from;
  while (open < from + HEAD_TOKENS_MAX && !list.is(open, "{")) open += 1;
  if (!list.is(open, "{")) return [];
  const parts: Range[] = [];
  for (let i = open + 1; i < list.closing(open); i++) {
    const isMethod = START_UP.has(list.at(i).text) && list.is(i + 1, "(");
    const body = isMethod ? bodyAfter(list, list.closing(i + 1)) : undefined;
    if (body !== undefined) parts.push([body + 1, list.closing(body)]);
    if (body !== undefined) i = list.closing(body);
    else if (list.opens(i)) i = list.closing(i);
  }
  return parts;
}

function nextBracket(list: TokenList, from: number): number {
  let i = from;
  while (i < from + HEAD_TOKENS_MAX && !list.is(i, "(")) i += 1;
  return i;
}

/** Index of the brace that follows a list of parameters, perhaps after a type; undefined if none does. */
function bodyAfter(list: TokenList, closing: number): number | undefined {
  if (list.is(closing + 1, "{")) return closing + 1;
  if (!list.is(closing + 1, ":")) return undefined;
  for (let i = closing + 2; i < closing + TYPE_TOKENS_MAX; i++) {
    if (list.is(i, "{")) return i;
    if (!IN_TYPE.test(list.at(i).text)) return undefined;
  }
  return undefined;
}

function arrowBody(list: TokenList, arrow: number): Range {
  if (list.is(arrow + 1, "{")) return [arrow + 2, list.closing(arrow + 1)];
  let i = arrow + 1;
  for (; i < list.length; i++) {
    if (list.is(i, ",") || list.is(i, ";") || list.closes(i)) break;
    if (i > arrow + 1 && endsBefore(list, i)) break;
    if (list.opens(i)) i = list.closing(i);
  }
  return [arrow + 1, i];
}

/** Whether a line break ends the expression here although there is no semicolon. */
function endsBefore(list: TokenList, i: number): boolean {
  const isOperand = (at: number): boolean => list.at(at).kind !== "punctuation" || list.closes(at);
  const startsValue = list.at(i).kind !== "punctuation" && !/^(?:in|instanceof|as)$/.test(list.at(i).text);
  return (
    list.at(i).isFirst && startsValue && isOperand(i - 1) && !/^(?:await|new)$/.test(list.at(i - 1).text)
  );
}

function requestsIn(
  list: TokenList,
  [from, to]: Range,
  constants: ReadonlyMap<string, string | undefined>,
): RequestSpan[] {
  const found: RequestSpan[] = [];
  for (let i = from; i < to; i++) {
    const inner = functionAt(list, i);
    if (inner !== undefined) {
      i = inner;
      continue;
    }
    if (!isMember(list, i)) continue;
    if (runs(list, i)) break;
    const request = SENDERS.has(list.at(i).text) ? requestAt(list, i, constants) : undefined;
    if (request !== undefined) found.push(request);
  }
  return found;
}

/** The last token of a function or class whose body, or whose keyword, is here; undefined if there is none. */
function functionAt(list: TokenList, i: number): number | undefined {
  if (list.is(i, "=>")) return arrowEnd(list, i);
  const isProperty = isMember(list, i) || list.is(i + 1, ":");
  if (list.is(i, "function") && !isProperty) {
    const open = bodyAfter(list, list.closing(nextBracket(list, i + 1)));
    return open === undefined ? undefined : list.closing(open);
  }
  if (list.is(i, "class") && !isProperty) {
    let open = i + 1;
    while (open < i + HEAD_TOKENS_MAX && !list.is(open, "{")) open += 1;
    return list.is(open, "{") ? list.closing(open) : undefined;
  }
  if (!list.isWord(i) || !list.is(i + 1, "(") || isProperty || STATEMENTS.has(list.at(i).text))
    return undefined;
  const open = list.is(i - 1, "case") ? undefined : bodyAfter(list, list.closing(i + 1));
  return open === undefined || list.at(open).isFirst ? undefined : list.closing(open);
}

function arrowEnd(list: TokenList, arrow: number): number {
  const [, end] = arrowBody(list, arrow);
  return list.is(arrow + 1, "{") ? end : end - 1;
}

function isMember(list: TokenList, i: number): boolean {
  return list.isWord(i) && (list.is(i - 1, ".") || list.is(i - 1, "?."));
}

/** Whether the module runs from here on: `h.run()`, `new X(h, args).run()`, `setRunning()`. */
function runs(list: TokenList, i: number): boolean {
  const { text } = list.at(i);
  if (text === "setRunning") return true;
  return text === "run" && list.is(i + 1, "(") && list.is(i + 2, ")");
}

function requestAt(
  list: TokenList,
  sender: number,
  constants: ReadonlyMap<string, string | undefined>,
): RequestSpan | undefined {
  const open = argumentsAt(list, sender + 1);
  if (open === undefined || namesRank(list, open)) return undefined;
  const topic = list.at(open + 1);
  const isWhole = list.is(open + 2, ",") || list.is(open + 2, ")");
  const text = topic.kind === "word" && isWhole ? constants.get(topic.text) : topic.text;
  if (text === undefined || (topic.kind === "word" && !isWhole)) return undefined;
  if (topic.kind !== "string" && topic.kind !== "open" && topic.kind !== "word") return undefined;
  return { head: text, isOpen: !isWhole, start: list.at(sender).start, end: topic.end };
}

/** The bracket of a call, perhaps an optional call, perhaps after type arguments. */
function argumentsAt(list: TokenList, from: number): number | undefined {
  let i = list.is(from, "?.") ? from + 1 : from;
  if (list.is(i, "<")) {
    const limit = i + TYPE_TOKENS_MAX;
    while (i < limit && !(list.is(i, ">") && list.is(i + 1, "(")))
      i = list.is(i, "{") ? list.closing(i) : i + 1;
    i += 1;
  }
  return list.is(i, "(") ? i : undefined;
}

/** Whether the options of a request name its rank. */
function namesRank(list: TokenList, open: number): boolean {
  for (let i = open + 1; i < list.closing(open); i++) {
    const isKey = list.is(i + 1, ":") || list.is(i + 1, ",") || list.is(i + 1, "}");
    if (isKey && list.is(i, "rank")) return true;
    if (list.is(i, "(") || list.is(i, "[")) i = list.closing(i);
  }
  return false;
}
