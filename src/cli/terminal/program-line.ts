import pc from "picocolors";
import { fields, type Payload } from "../../messages/index.js";
import { printStyled } from "./output.js";
import { programText } from "./program-text.js";

/** A line of `log.output`. */
export const PROGRAM_LINE = {
  time: "number",
  unit: "string",
  stream: "string",
  text: "string",
  part: "integer?",
  leftOutBytes: "integer?",
} as const;

/** Of the labels on a terminal: neighbours differ. */
const COLOURS = [pc.cyan, pc.yellow, pc.green, pc.magenta, pc.blue, pc.red] as const;

/** Prints a line as `TIME UNIT | TEXT`. */
export function printProgramLine(payload: Payload, prefix = ""): void {
  const { time, unit } = fields(payload, PROGRAM_LINE);
  const stamp = new Date(time * 1000).toISOString();
  printStyled(`${prefix}${pc.dim(stamp)} ${pc.cyan(unit)} | ${shownText(payload)}`);
}

/** Lines for a terminal: labels as wide as the widest so far, each unit in a colour of its own. */
export class LabelledLines {
  readonly #colours = new Map<string, (text: string) => string>();
  #width = 0;

  text(payload: Payload): string {
    const { unit } = fields(payload, PROGRAM_LINE);
    const colour = this.#colours.get(unit) ?? COLOURS[this.#colours.size % COLOURS.length] ?? pc.cyan;
    this.#colours.set(unit, colour);
    this.#width = Math.max(this.#width, unit.length);
    return `${colour(`${unit.padEnd(this.#width)} |`)} ${shownText(payload)}`;
  }
}

function shownText(payload: Payload): string {
  const { text, part, leftOutBytes } = fields(payload, PROGRAM_LINE);
  const number = part === undefined ? "" : pc.dim(`(part ${part}) `);
  const shown =
    leftOutBytes === undefined ? programText(text) : pc.dim(`(${leftOutBytes} bytes of output are left out)`);
  return number + shown;
}
