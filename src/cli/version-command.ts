import { Command } from "commander";
import { printLine } from "./terminal/output.js";
import { VERSION } from "./version.js";

export function command(): Command {
  return new Command("version")
    .addHelpText("after", "\nExample:\n  sluice version")
    .action(() => printLine(`sluice ${VERSION}`));
}
