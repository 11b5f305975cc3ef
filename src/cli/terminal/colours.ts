import pc from "picocolors";
import { type Diagnostic, escapeControls } from "../../errors/index.js";

/** Colours a text, or returns it unchanged. */
export type Colours = ReturnType<typeof pc.createColors>;

/** Leaves every text as it is. */
export const noColours: Colours = pc.createColors(false);

/**
 * The colours for a stream: only on a terminal that has them, and never with `NO_COLOR`. `FORCE_COLOR`
 * requests them elsewhere (docs/design/cli.md §1).
 * @param when the user's choice by an option; `auto` leaves it to the stream and the environment
 */
export function coloursFor(
  stream: Pick<NodeJS.WriteStream, "isTTY">,
  when = "auto",
  env = process.env,
): Colours {
  return pc.createColors(when === "auto" ? hasColours(stream, env) : when !== "never");
}

/** The rule of {@link coloursFor}. */
export function hasColours(stream: Pick<NodeJS.WriteStream, "isTTY">, env = process.env): boolean {
  const { NO_COLOR = "", FORCE_COLOR = "", TERM } = env;
  if (NO_COLOR !== "") return false;
  if (FORCE_COLOR !== "") return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  // Undefined for a pipe: picocolors would decide by itself, and would use colours in CI.
  return stream.isTTY ? TERM !== "dumb" : false;
}

/** A problem: its code and its caret in red or yellow, the word before its hint in cyan. */
export function colouredDiagnostic(text: string, severity: Diagnostic["severity"], colours: Colours): string {
  const mark = severity === "error" ? colours.red : colours.yellow;
  const [first = "", ...rest] = escapeControls(text).split("\n");
  return [
    first
      .replace(/(?<=^|:\d+: )warning: /, (label) => mark(label))
      .replace(/\[[A-Z_]+\]$/, (code) => mark(code)),
    ...rest.map((line) =>
      /^\s*\^+$/.test(line) ? mark(line) : line.replace(/^ {2}hint: /, (hint) => colours.cyan(hint)),
    ),
  ].join("\n");
}

/** A line of `explain`: names of units are bold, with their states. Places in files are dim. */
export function colouredAccountLine(text: string, colours: Colours): string {
  const shown = escapeControls(text);
  if (!shown.startsWith(" ")) {
    return shown.replace(
      /^([^:]+)(: )([a-z ]+)/,
      (_, name: string, colon: string, status: string) =>
        `${colours.bold(name)}${colon}${status === "left out" ? colours.yellow(status) : colours.green(status)}`,
    );
  }
  return shown.replace(/ \((?:[^()]*:\d+:\d+|setup\(\) of [^()]*)\)$/, (place) => colours.dim(place));
}

/** Lines of the live view: running steps in cyan, failures in red. */
export function colouredFrame(lines: readonly string[], colours: Colours): string[] {
  return lines.map((line) =>
    line
      .replace(/^ {2}(?:load|remove|run)(?= )/, (action) => colours.cyan(action))
      .replace(/(?<=, )\d+ failed/, (failed) => colours.red(failed)),
  );
}
