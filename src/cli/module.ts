import { Command } from "commander";
import { isErrno } from "../errors/index.js";
import { fields, type JsonValue } from "../messages/index.js";
import { type InsecureOption, withInsecure } from "./insecure.js";
import { debugCommand } from "./module-debug.js";
import { infoCommand } from "./module-info.js";
import { modulePath } from "./module-name.js";
import { statsCommand } from "./module-stats.js";
import { traceCommand } from "./module-trace.js";
import { printJson, printLine, UsageError } from "./output.js";
import { withInstance, withUri } from "./session.js";
import { idleText } from "./top-table.js";

interface UriOption {
  readonly uri?: string;
}

interface LoadOptions extends UriOption, InsecureOption {
  readonly name?: string;
  readonly exec?: boolean;
  readonly loader?: string;
}

interface RemoveOptions extends UriOption {
  readonly force?: boolean;
  readonly cancel?: boolean;
}

interface ListOptions extends UriOption {
  readonly long?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("module")
    .enablePositionalOptions()
    .addCommand(load())
    .addCommand(reload())
    .addCommand(remove())
    .addCommand(list())
    .addCommand(infoCommand())
    .addCommand(statsCommand())
    .addCommand(debugCommand())
    .addCommand(traceCommand())
    .addHelpText("after", "\nExample:\n  sluice module load ./motd.mjs greeting=hello\n  sluice module list");
}

function load(): Command {
  const load = new Command("load")
    .description("load one module, without what it requires")
    .argument("<path|name>", "a file, or a name looked up on the module path")
    .argument("[args...]", "arguments for the module");
  return withUri(withInsecure(withLoading(load)))
    .addHelpText("after", "\nExample:\n  sluice module load -n motd2 ./motd.mjs")
    .action(async (path: string, args: readonly string[], options: LoadOptions) => {
      const request = { path: modulePath(path), args, explicit: true, ...howToRun(path, options) };
      await withInstance(options, (handle) => handle.rpc("module.load", request));
    });
}

/** Adds the options that say how a module is to be loaded; those after its path are the module's own. */
function withLoading(command: Command): Command {
  return command
    .passThroughOptions()
    .option("-n, --name <name>", "name to load it under")
    .option("--exec", "run it in a process of its own")
    .option(
      "--loader <name|path>",
      "loader to use, or a program that is one; the module must be given by path",
    );
}

/** Name and loader as a load or reload of the path asks for them. */
function howToRun(
  path: string,
  { name, exec, loader, insecure }: LoadOptions,
): Record<string, string | boolean> {
  if (loader !== undefined && !path.includes("/")) {
    throw new UsageError(`--loader needs a module given by path: ./${path}`);
  }
  return {
    ...(name !== undefined && { name }),
    ...(exec && { exec }),
    ...(insecure && { insecure }),
    ...(loader !== undefined && { loader: modulePath(loader) }),
  };
}

function reload(): Command {
  const reload = new Command("reload")
    .description("remove a module and load it again; requests that arrive meanwhile are held for it")
    .argument("<module|path>", "module, or the path that it was loaded from")
    .argument("[args...]", "new arguments; without any it keeps its own");
  return withUri(withInsecure(withLoading(reload)))
    .option("-f, --force", "load it even if it was not loaded")
    .addHelpText("after", "\nExample:\n  sluice module reload cron")
    .action(async (which: string, args: readonly string[], options: LoadOptions & RemoveOptions) => {
      const how = howToRun(which, options);
      const request = { ...how, name: options.name ?? modulePath(which), ...(args.length > 0 && { args }) };
      await withInstance(options, async (handle) => {
        try {
          await handle.rpc("module.reload", request);
        } catch (error) {
          if (!options.force || !isErrno(error, "ENOENT")) throw error;
          await handle.rpc("module.load", { path: modulePath(which), args, explicit: true, ...how });
        }
      });
    });
}

function remove(): Command {
  return withUri(new Command("remove"))
    .alias("unload")
    .description("remove one module")
    .argument("<module|path>", "module, or the path that it was loaded from")
    .option("-f, --force", "it is no error if it is not loaded; with --cancel, end its thread group too")
    .option("--cancel", "do not ask it: end its thread or process")
    .addHelpText("after", "\nExample:\n  sluice module remove --cancel motd")
    .action(async (name: string, options: RemoveOptions) => {
      const request = {
        name: modulePath(name),
        ...(options.cancel && { cancel: true, force: options.force === true }),
      };
      await withInstance(options, async (handle) => {
        try {
          await handle.rpc("module.remove", request);
        } catch (error) {
          if (!options.force || !isErrno(error, "ENOENT")) throw error;
        }
      });
    });
}

function list(): Command {
  return withUri(new Command("list"))
    .description("list the loaded modules")
    .option("-l, --long", "with their paths")
    .option("--json", "an array as module.list has it")
    .addHelpText("after", "\nExample:\n  sluice module list -l")
    .action(async (options: ListOptions) => {
      await withInstance(options, async (handle) => {
        const modules = fields(await handle.rpc("module.list"), { modules: "array" }).modules;
        if (options.json) printJson(modules);
        else printModules(modules, options.long === true);
      });
    });
}

const LISTED = {
  name: "string",
  path: "string",
  state: "string",
  idleSeconds: "number",
  sendq: "number",
  recvq: "number",
  services: "string[]",
} as const;

/** Services beyond this many characters are cut with `+` in the long form, which has little room left for them. */
const LONG_SERVICE_WIDTH = 24;

function printModules(modules: readonly JsonValue[], long: boolean): void {
  printLine(moduleLine(["Module", "Idle", "S", "Sendq", "Recvq", "Service"], long ? "Path" : undefined));
  for (const entry of modules) {
    const { name, path, state, idleSeconds, sendq, recvq, services } = fields(entry, LISTED);
    printLine(
      moduleLine(
        [name, idleText(idleSeconds), state, String(sendq), String(recvq), services.join(",")],
        long ? path : undefined,
      ),
    );
  }
}

type ModuleCells = readonly [
  name: string,
  idle: string,
  state: string,
  sendq: string,
  recvq: string,
  services: string,
];

function moduleLine(
  [name, idle, state, sendq, recvq, services]: ModuleCells,
  path: string | undefined,
): string {
  const left = `${name.padEnd(25)} ${idle.padStart(4)}  ${state} ${sendq.padStart(5)} ${recvq.padStart(5)}`;
  if (path === undefined) return `${left} ${services}`.trimEnd();
  const cut =
    services.length > LONG_SERVICE_WIDTH ? `${services.slice(0, LONG_SERVICE_WIDTH - 1)}+` : services;
  return `${left} ${cut.padEnd(LONG_SERVICE_WIDTH)} ${path}`;
}
