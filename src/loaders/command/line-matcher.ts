import { type Context, createContext, Script } from "node:vm";

/** How long an expression may take for some lines before this stops it. */
const LIMIT_MS = 250;

/** A busy machine, or a stop of the process, makes any run long. It does not do that to each of several runs in a row. */
const RUNS = 3;

/** Sequences that set colours and the like (ECMA-48), and those that name windows. */
// eslint-disable-next-line no-control-regex -- these are what is taken away
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?)/g;

/** The result of an expression: whether a line matches, or a time-out. */
export type MatchOutcome = "match" | "none" | "too slow";

/** A regular expression of a unit. No expression and no text can stall the broker. */
export class LineMatcher {
  readonly #script: Script;

  /** @throws SyntaxError if it is no regular expression */
  constructor(expression: string) {
    new RegExp(expression);
    this.#script = new Script(`lines.some((line) => new RegExp(${JSON.stringify(expression)}).test(line))`);
  }

  /** @param lines without their ends; colour sequences in them are ignored */
  test(lines: readonly string[]): MatchOutcome {
    const context = createContext({ lines: lines.map(withoutEscapes) });
    let outcome: MatchOutcome = "too slow";
    for (let run = 0; run < RUNS && outcome === "too slow"; run++) outcome = this.#run(context);
    return outcome;
  }

  #run(context: Context): MatchOutcome {
    try {
      return this.#script.runInContext(context, { timeout: LIMIT_MS }) === true ? "match" : "none";
    } catch (error) {
      if (isTimeout(error)) return "too slow";
      throw error;
    }
  }
}

/** The error belongs to the other context, and is no `Error` of this one. */
function isTimeout(error: unknown): boolean {
  return (
    typeof error === "object" &&
    error !== null &&
    "code" in error &&
    error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
  );
}

/** A line without its colours. */
function withoutEscapes(line: string): string {
  return line.includes("\u001b") ? line.replaceAll(ESCAPES, "") : line;
}
