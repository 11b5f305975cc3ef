/** A place in a file, from 1; 0 if unknown. */
export interface Site {
  readonly line: number;
  readonly column: number;
}

const NOWHERE: Site = { line: 0, column: 0 };

/** The topmost place of a file in a stack trace or a message: `FILE:LINE:COLUMN` at the end of some line. */
export function siteInFile(text: string, file: string): Site {
  for (const start of positionsOf(text, `${file}:`)) {
    const found = /^(\d+):(\d+)/.exec(text.slice(start + file.length + 1, start + file.length + 24));
    if (found !== null) return { line: Number(found[1]), column: Number(found[2]) };
  }
  return NOWHERE;
}

function* positionsOf(text: string, part: string): Generator<number> {
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) yield at;
}
