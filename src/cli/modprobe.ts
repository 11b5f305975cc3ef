import { Command } from "commander";
import { loadCommand } from "./modprobe-load.js";
import { listDependenciesCommand } from "./modprobe-list-dependencies.js";
import { removeCommand } from "./modprobe-remove.js";
import { phaseCommand, runCommand } from "./modprobe-run.js";
import { showCommand } from "./modprobe-show.js";
import { verifyCommand } from "./modprobe-verify.js";

export function command(): Command {
  return new Command("modprobe")
    .addCommand(loadCommand())
    .addCommand(removeCommand())
    .addCommand(runCommand())
    .addCommand(phaseCommand("rc1"))
    .addCommand(phaseCommand("rc3"))
    .addCommand(showCommand())
    .addCommand(listDependenciesCommand())
    .addCommand(verifyCommand())
    .addHelpText("after", "\nExample:\n  sluice modprobe rc1 --dry-run --rank 3 --size 16");
}
