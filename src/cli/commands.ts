import { Command } from "commander";
import { addCommands, type LazyCommand, type Words } from "./lazy.js";
import { VERSION } from "./version.js";

const COMMANDS: readonly LazyCommand[] = [
  {
    name: "start",
    summary: "start an instance and run a command in it",
    load: () => import("./instance/start.js"),
  },
  { name: "broker", summary: "run one broker in the foreground", load: () => import("./instance/broker.js") },
  {
    name: "stop",
    summary: "shut an instance down cleanly, and wait for its end",
    load: () => import("./stop.js"),
  },
  {
    name: "shuffle",
    summary: "start an instance in many orders, and name two units whose order matters",
    load: () => import("./instance/shuffle.js"),
  },
  {
    name: "instances",
    summary: "list the running instances of this user",
    load: () => import("./instances.js"),
  },
  { name: "modprobe", summary: "plan, load and remove units", load: () => import("./modprobe/modprobe.js") },
  {
    name: "module",
    summary: "manage the modules of a running instance",
    load: () => import("./module/module.js"),
  },
  { name: "ping", summary: "measure the round trip to a module or service", load: () => import("./ping.js") },
  { name: "rpc", summary: "send one request and print the response", load: () => import("./rpc.js") },
  {
    name: "event",
    summary: "publish events, or print them as they arrive",
    load: () => import("./event.js"),
  },
  { name: "getattr", summary: "print an attribute of the broker", load: () => import("./getattr.js") },
  { name: "setattr", summary: "set an attribute of the broker", load: () => import("./setattr.js") },
  { name: "lsattr", summary: "list the attributes of the broker", load: () => import("./lsattr.js") },
  { name: "config", summary: "show or replace the configuration", load: () => import("./config.js") },
  { name: "logs", summary: "print the output of programs", load: () => import("./logs.js") },
  { name: "dmesg", summary: "print the log of the broker", load: () => import("./dmesg.js") },
  { name: "top", summary: "watch the modules of a running instance", load: () => import("./top/top.js") },
  { name: "web", summary: "serve a web page that shows the instance", load: () => import("./web/web.js") },
  {
    name: "metrics",
    summary: "print metrics of the instance for Prometheus, or serve them",
    load: () => import("./web/metrics.js"),
  },
  {
    name: "status",
    summary: "show the state of the instance on one screen",
    load: () => import("./status.js"),
  },
  {
    name: "waits",
    summary: "show which parts of the instance wait for each other, and name deadlocks",
    load: () => import("./waits.js"),
  },
  {
    name: "uptime",
    summary: "show how long the instance has been running",
    load: () => import("./uptime.js"),
  },
  { name: "shutdown", summary: "shut the instance down cleanly", load: () => import("./shutdown.js") },
  { name: "cron", summary: "list, add and remove timed commands", load: () => import("./cron.js") },
  { name: "exec", summary: "run a command on ranks", load: () => import("./ranks/exec.js") },
  { name: "kvs", summary: "read and write the key-value store", load: () => import("./kvs.js") },
  {
    name: "overlay",
    summary: "show the ranks of the instance and their states",
    load: () => import("./overlay.js"),
  },
  {
    name: "import",
    summary: "translate a Procfile, a process-compose.yaml or systemd services into a fragment",
    load: () => import("./import.js"),
  },
  {
    name: "module-exec",
    summary: "run one module without an instance",
    load: () => import("./module/exec.js"),
  },
  {
    name: "python",
    summary: "run python3 with the Python packages of Sluice on its path",
    load: () => import("./python.js"),
  },
  {
    name: "completion",
    summary: "print a script with which a shell completes commands and names",
    load: () => import("./complete/completion.js"),
  },
  {
    name: "complete",
    summary: "print the candidates for the next word of a command line",
    hidden: true,
    load: () => import("./complete/complete.js"),
  },
  {
    name: "man-pages",
    summary: "write the manual pages into a directory",
    hidden: true,
    load: () => import("./complete/man-pages.js"),
  },
  { name: "version", summary: "print the version", load: () => import("./version-command.js") },
];

/** Whether Sluice has a command of this name. */
export function isOwnCommand(name: string): boolean {
  return COMMANDS.some((command) => command.name === name);
}

/**
 * The whole command line, or the part of it that the words name. The program parses and completes it, and makes the
 * manual pages from it.
 */
export async function sluiceProgram(words: Words): Promise<Command> {
  const program = new Command("sluice")
    .enablePositionalOptions()
    .description("Boots, changes and shuts down a system of modules, and explains each decision.")
    .version(VERSION)
    .addHelpText(
      "after",
      "\nAny other COMMAND runs the program sluice-COMMAND from SLUICE_EXEC_PATH or PATH." +
        "\n\nExample:\n  sluice start sh -c 'sluice module list; sluice kvs put a=1; sluice kvs get a'",
    );
  return addCommands(program, COMMANDS, words, sluiceProgram);
}
