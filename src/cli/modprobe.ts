import { Command } from "commander";
import { addCommands, commandWord, type LazyCommand } from "./lazy.js";

const COMMANDS: readonly LazyCommand[] = [
  { name: "load", summary: "load modules with what they require", load: () => import("./modprobe-load.js") },
  {
    name: "remove",
    summary: "remove modules, and what nobody uses without them",
    load: () => import("./modprobe-remove.js"),
  },
  { name: "run", summary: "run one rc file", load: () => import("./modprobe-run.js") },
  { name: "rc1", summary: "bring up what the rc files load", load: () => import("./modprobe-rc1.js") },
  { name: "rc3", summary: "take down what is loaded", load: () => import("./modprobe-rc3.js") },
  {
    name: "show",
    summary: "print a unit as composed, one JSON object with every key",
    load: () => import("./modprobe-show.js"),
  },
  {
    name: "list-dependencies",
    summary: "print the tree of what a unit or service requires",
    load: () => import("./modprobe-list-dependencies.js"),
  },
  {
    name: "verify",
    summary: "say everything that is wrong or doubtful in the composed units",
    load: () => import("./modprobe-verify.js"),
  },
];

export function command(): Promise<Command> {
  const modprobe = new Command("modprobe").addHelpText(
    "after",
    "\nExample:\n  sluice modprobe rc1 --dry-run --rank 3 --size 16",
  );
  return addCommands(modprobe, COMMANDS, commandWord(3));
}
