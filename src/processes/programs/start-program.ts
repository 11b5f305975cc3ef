import { canSupervise, startUnderHelper } from "./helped-program.js";
import { startAlone } from "./lone-program.js";
import type { ProgramStart, SupervisedProgram } from "./supervised-program.js";

/** Whether the helper exists, which some keys of units need (docs/design/programs.md §1). */
export const hasProgramHelper = canSupervise;

/**
 * Starts a program in a session and process group of its own, and keeps hold of all that it starts.
 * @throws SluiceError `LOAD_FAILED` with the system's error number if it cannot be started
 */
export async function startProgram(start: ProgramStart): Promise<SupervisedProgram> {
  return canSupervise() ? startUnderHelper(start) : startAlone(start);
}
