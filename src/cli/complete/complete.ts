import { Command } from "commander";
import { answerLines } from "./complete-answer.js";
import { answer } from "./complete-words.js";
import type { MakeProgram, Words } from "../lazy.js";
import { printLine, say } from "../terminal/output.js";

/** For the scripts of `completion`: the words up to the cursor. The last word may be incomplete. */
export function command(_: Words, program: MakeProgram): Command {
  return new Command("complete")
    .argument("[words...]")
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: readonly string[]) => {
      for (const line of answerLines(await answer(words, program, tell))) printLine(line);
    });
}

/** Prints no message into the user's command line, unless a variable requests it. */
function tell(problem: unknown): void {
  if (process.env["SLUICE_DEBUG"]) say(`sluice-complete: ${String(problem)}`);
}
