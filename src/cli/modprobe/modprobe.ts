import { Command } from "commander";
import { becomeOwner } from "../../processes/index.js";
import type { Runlevel } from "../../units/index.js";
import { addCommands, type LazyCommand, type MakeProgram, type Words } from "../lazy.js";

const COMMANDS: readonly LazyCommand[] = [
  { name: "load", summary: "load modules with their requirements", load: () => import("./load.js") },
  {
    name: "remove",
    summary: "remove modules, and other modules that are then unused",
    load: () => import("./remove.js"),
  },
  {
    name: "apply",
    summary: "apply the files to the running instance, with the fewest changes",
    load: () => import("./apply/apply.js"),
  },
  { name: "run", summary: "run one rc file", load: () => import("./run.js") },
  {
    name: "rc1",
    summary: "load the modules of the rc files, and run their tasks",
    load: () => loadPhase("rc1"),
  },
  {
    name: "rc3",
    summary: "remove the loaded modules, and run the tasks of shutdown",
    load: () => loadPhase("rc3"),
  },
  {
    name: "show",
    summary: "print the composed unit as one JSON object with every key",
    load: () => import("./show.js"),
  },
  {
    name: "list-dependencies",
    summary: "print the tree of the requirements of a unit or service",
    load: () => import("./list-dependencies.js"),
  },
  {
    name: "explain",
    summary: "show why a unit is in the plan of rc1 or not, and the changes that would add it",
    load: () => import("./explain.js"),
  },
  {
    name: "cat",
    summary: "print the composed units as TOML, each value with the line that set it",
    load: () => import("./cat.js"),
  },
  {
    name: "plan",
    summary: "print the canonical plan of every class of ranks, or lock it, or check it against a lock",
    load: () => import("./plan.js"),
  },
  {
    name: "diff",
    summary: "show the differences between two locks, two ranks or two configurations",
    load: () => import("./diff.js"),
  },
  {
    name: "graph",
    summary: "draw the plan as SVG or PNG, or print it for Graphviz, for Mermaid or as JSON",
    load: () => import("./graph.js"),
  },
  {
    name: "analyze",
    summary: "show which units took the time of a recorded run, and predict the time with changes",
    load: () => import("./analyze.js"),
  },
  {
    name: "learn",
    summary: "compare the relations of a recorded run with the messages between its modules",
    load: () => import("./runs/learn.js"),
  },
  {
    name: "verify",
    summary: "report all errors and warnings about the composed units",
    load: () => import("./verify.js"),
  },
];

export function command(words: Words, program: MakeProgram): Promise<Command> {
  const modprobe = new Command("modprobe").addHelpText(
    "after",
    "\nExample:\n  sluice modprobe rc1 --dry-run --rank 3 --size 16",
  );
  // If this process is killed, no other process ends the ones that it has started.
  modprobe.hook("preAction", () => void becomeOwner({ graceSeconds: 0 }));
  return addCommands(modprobe, COMMANDS, words, program);
}

async function loadPhase(runlevel: Runlevel): ReturnType<LazyCommand["load"]> {
  const { phaseCommand } = await import("./run.js");
  return { command: () => phaseCommand(runlevel) };
}
