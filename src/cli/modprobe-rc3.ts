import type { Command } from "commander";
import { phaseCommand } from "./modprobe/run.js";

export function command(): Command {
  return phaseCommand("rc3");
}
