import { fields, type Payload } from "../../messages/index.js";
import { coloursFor } from "./colours.js";
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
  task: "boolean?",
} as const;

/** The colours of the labels on a terminal: neighbours differ. */
const COLOURS = ["cyan", "yellow", "green", "magenta", "blue", "red"] as const;

/** Prints a line as `TIME UNIT | TEXT`. */
export function printProgramLine(payload: Payload, prefix = ""): void {
  const { time, unit } = fields(payload, PROGRAM_LINE);
  const stamp = new Date(time * 1000).toISOString();
  const { dim, cyan } = coloursFor(process.stdout);
  printStyled(`${prefix}${dim(stamp)} ${cyan(unit)} | ${shownText(payload)}`);
}

/** Lines for a terminal: labels as wide as the widest so far, each unit in its own colour. */
export class LabelledLines {
  readonly #colours = coloursFor(process.stdout);
  /** Name of the colour of each unit. */
  readonly #names = new Map<string, (typeof COLOURS)[number]>();
  #width = 0;

  text(payload: Payload): string {
    const { unit } = fields(payload, PROGRAM_LINE);
    const name = this.#names.get(unit) ?? COLOURS[this.#names.size % COLOURS.length] ?? "cyan";
    this.#names.set(unit, name);
    this.#width = Math.max(this.#width, unit.length);
    return `${this.#colours[name](`${unit.padEnd(this.#width)} |`)} ${shownText(payload)}`;
  }
}

function shownText(payload: Payload): string {
  const { text, part, leftOutBytes } = fields(payload, PROGRAM_LINE);
  const { dim } = coloursFor(process.stdout);
  const number = part === undefined ? "" : dim(`(part ${part}) `);
  const shown =
    leftOutBytes === undefined ? programText(text) : dim(`(${leftOutBytes} bytes of output are left out)`);
  return number + shown;
}
