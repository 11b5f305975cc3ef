import { Command } from "commander";
import { isErrno } from "../../errors/index.js";
import { type InsecureOption, withInsecure } from "../insecure.js";
import { debugCommand } from "./debug.js";
import { infoCommand } from "./info.js";
import { certifyCommand, kindsCommand } from "./kinds.js";
import { listCommand } from "./list.js";
import { loadedName, modulePath } from "./name.js";
import { stackUnitRequest } from "./stack-unit.js";
import { statsCommand } from "./stats.js";
import { traceCommand } from "./trace.js";
import { UsageError } from "../terminal/output.js";
import { onRanks, type RankOptions, withRanks } from "../ranks/ranks.js";

interface LoadOptions extends RankOptions, InsecureOption {
  readonly name?: string;
  readonly exec?: boolean;
  readonly loader?: string;
}

interface RemoveOptions extends RankOptions {
  readonly force?: boolean;
  readonly cancel?: boolean;
}

export function command(): Command {
  return new Command("module")
    .enablePositionalOptions()
    .addCommand(load())
    .addCommand(reload())
    .addCommand(restart())
    .addCommand(remove())
    .addCommand(listCommand())
    .addCommand(infoCommand())
    .addCommand(certifyCommand())
    .addCommand(kindsCommand())
    .addCommand(statsCommand())
    .addCommand(debugCommand())
    .addCommand(traceCommand())
    .addHelpText("after", "\nExample:\n  sluice module load ./motd.mjs greeting=hello\n  sluice module list");
}

function load(): Command {
  const load = new Command("load")
    .description("load one module, without its requirements")
    .argument("<path|name>", "a file, or a name on the module path")
    .argument("[args...]", "arguments for the module");
  return withRanks(withInsecure(withLoading(load)))
    .addHelpText("after", "\nExample:\n  sluice module load -n motd2 ./motd.mjs")
    .action(async (path: string, args: readonly string[], options: LoadOptions) => {
      const request = { path: modulePath(path), args, explicit: true, ...howToRun(path, options) };
      const isName = path === request.path && Object.keys(howToRun(path, options)).length === 0;
      await onRanks(options, async (handle, rank) => {
        const known = isName ? await stackUnitRequest(handle, path, args, rank) : undefined;
        return handle.rpc("module.load", known ?? request, { rank });
      });
    });
}

/** Adds the options for the load of a module. Options after its path belong to the module. */
function withLoading(command: Command): Command {
  return command
    .passThroughOptions()
    .option("-n, --name <name>", "name of the module")
    .option("--exec", "run the module in its own process")
    .option("--loader <name|path>", "loader, or a program that is a loader; the module must be a path");
}

/** Name and loader for a load or reload of the path. */
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
    .description("remove a module and load it again, while its requests wait")
    .argument("<module|path>", "name of the module, or the path of its load")
    .argument("[args...]", "new arguments (default: the old ones)");
  return withRanks(withInsecure(withLoading(reload)))
    .option("-f, --force", "load the module even if it was not loaded")
    .addHelpText("after", "\nExample:\n  sluice module reload cron")
    .action(async (which: string, args: readonly string[], options: LoadOptions & RemoveOptions) => {
      const { uri, insecure } = options;
      const how = howToRun(which, options);
      const request = { ...how, name: options.name ?? modulePath(which), ...(args.length > 0 && { args }) };
      await onRanks(options, async (handle, rank) => {
        try {
          await handle.rpc("module.reload", request, { rank });
        } catch (error) {
          if (!options.force || !isErrno(error, "ENOENT")) throw error;
          const load = { path: modulePath(which), args, explicit: true, ...how };
          await handle.rpc("module.load", load, { rank });
        }
        if (rank !== "any" && rank !== handle.rank) return;
        const { sayWhatFilesSay } = await import("./said-otherwise.js");
        const name = options.name ?? (await loadedName(handle, which, rank));
        await sayWhatFilesSay(name, { ...(uri !== undefined && { uri }), ...(insecure && { insecure }) });
      });
    });
}

function restart(): Command {
  return withRanks(new Command("restart"))
    .description("start a module again from the same file, with the same arguments and environment")
    .argument("<module|path>", "name of the module, or the path of its load")
    .addHelpText("after", "\nExample:\n  sluice module restart motd")
    .action(async (which: string, options: RankOptions) => {
      await onRanks(options, (handle, rank) =>
        handle.rpc("module.restart", { name: modulePath(which) }, { rank }),
      );
    });
}

function remove(): Command {
  return withRanks(new Command("remove"))
    .alias("unload")
    .description("remove one module")
    .argument("<module|path>", "name of the module, or the path of its load")
    .option(
      "-f, --force",
      "remove the module even if others use it; no error for an unloaded module; with --cancel, end the thread group too",
    )
    .option("--cancel", "end the thread or process of the module at once, without a clean end")
    .addHelpText("after", "\nExample:\n  sluice module remove --cancel motd")
    .action(async (name: string, options: RemoveOptions) => {
      const request = {
        name: modulePath(name),
        ...(options.force !== true && { ifUnused: true }),
        ...(options.cancel && { cancel: true, force: options.force === true }),
      };
      await onRanks(options, async (handle, rank) => {
        try {
          await handle.rpc("module.remove", request, { rank });
        } catch (error) {
          if (!options.force || !isErrno(error, "ENOENT")) throw error;
        }
      });
    });
}
