import { isOwnCommand, sluiceProgram } from "./commands.js";
import { runProgram } from "./program.js";

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  if (await isExternal(words)) return;
  await runProgram(await sluiceProgram(words));
}

/** Whether there is a foreign command of this name, and none of ours. */
async function isExternal([first, ...rest]: readonly string[]): Promise<boolean> {
  const [name, args] = first === "help" ? [rest[0], ["--help"]] : [first, rest];
  if (name === undefined || name === "help" || name.startsWith("-") || isOwnCommand(name)) return false;
  const { runExternal } = await import("./external.js");
  return runExternal(name, args);
}

void main();
