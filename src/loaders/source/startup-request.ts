import type { Location } from "../../errors/index.js";

/** A request that a module sends before it runs, found in its source. */
export interface StartupRequest {
  /** The word of its topic that names the service, up to the first dot. */
  readonly service: string;
  /** The written part of it: `kvs.get`, or `kvs.…` where an expression computes the remaining part. */
  readonly topic: string;
  /** From the name of the method that sends it to the end of the topic. */
  readonly location: Location;
}

/** A request by offsets into the text, the end exclusive. */
export interface RequestSpan {
  /** The topic up to its first expression; the whole topic unless `isOpen`. */
  readonly head: string;
  readonly isOpen: boolean;
  readonly start: number;
  readonly end: number;
}

/** Requests with names and places, in the order written. It drops requests whose service is not a written word. */
export function placeRequests(file: string, text: string, spans: readonly RequestSpan[]): StartupRequest[] {
  if (spans.length === 0) return [];
  const lines = lineStarts(text);
  return spans.flatMap(({ head, isOpen, start, end }) => {
    const dot = head.indexOf(".");
    if (dot <= 0) return [];
    const location = locate(file, text, lines, [start, end]);
    return [{ service: head.slice(0, dot), topic: isOpen ? `${head}…` : head, location }];
  });
}

function locate(
  file: string,
  text: string,
  lines: readonly number[],
  [start, end]: readonly [number, number],
): Location {
  const [from, to] = [lineOf(lines, start), lineOf(lines, end)];
  const begin = lines[from] ?? 0;
  const sourceLine = text.slice(begin, lines[from + 1] ?? text.length).replace(/\r?\n$/, "");
  const endColumn = end - (lines[to] ?? 0) + 1;
  return { file, line: from + 1, column: start - begin + 1, endLine: to + 1, endColumn, sourceLine };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The last line that starts at or before an offset, counted from 0. */
function lineOf(lines: readonly number[], offset: number): number {
  let [low, high] = [0, lines.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lines[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
