import { sluiceProgram } from "./commands.js";
import { runProgram } from "./program.js";

async function main(): Promise<void> {
  await runProgram(await sluiceProgram(process.argv.slice(2)));
}

void main();
