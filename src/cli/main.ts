import { isOwnCommand, sluiceProgram } from "./commands.js";
import { runProgram } from "./program.js";

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const [first, ...rest] = words;
  const [name, args] = first === "help" ? [rest[0], ["--help"]] : [first, rest];
  if (name === undefined || name === "help" || name.startsWith("-") || isOwnCommand(name)) {
    await runProgram(await sluiceProgram(words));
    return;
  }
  const { runExternal } = await import("./external.js");
  if (await runExternal(name, args)) return;
  const { commandsCalled } = await import("./complete/commands-called.js");
  await runProgram(await sluiceProgram(words), await commandsCalled(name, sluiceProgram));
}

void main();
