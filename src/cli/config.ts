import { readFileSync } from "node:fs";
import { Command } from "commander";
import { configToJson, defaultDirectories, parseConfigText } from "../units/index.js";
import { fields } from "../messages/index.js";
import { ExitError, printJson, printLine, sayDiagnostics } from "./output.js";
import { withInstance, withUri } from "./session.js";

interface UriOption {
  readonly uri?: string;
}

export function command(): Command {
  return new Command("config")
    .addCommand(get())
    .addCommand(load())
    .addCommand(builtin())
    .addHelpText(
      "after",
      "\nExample:\n  sluice config get modules\n  echo 'site.name = \"north\"' | sluice config load",
    );
}

function get(): Command {
  return withUri(new Command("get"))
    .description("print the configuration, or the value at a dotted key, as JSON")
    .argument("[setting]")
    .addHelpText("after", "\nExample:\n  sluice config get modules.alternatives")
    .action(async (key: string | undefined, options: UriOption) => {
      await withInstance(options, async (handle) => {
        printJson(
          fields(await handle.rpc("config.get", key === undefined ? {} : { key }), { value: "json" }).value,
        );
      });
    });
}

function load(): Command {
  return withUri(new Command("load"))
    .description("replace the configuration by standard input: TOML, JSON or YAML")
    .addHelpText("after", "\nExample:\n  sluice config load < site.toml")
    .action(async (options: UriOption) => {
      const config = parseConfigText(readFileSync(0, "utf8"), "<stdin>");
      if (!config.ok) {
        sayDiagnostics(config.diagnostics, "sluice-config");
        throw new ExitError(1);
      }
      const json = configToJson(config.value);
      await withInstance(options, (handle) => handle.rpc("config.load", { config: json }));
    });
}

function builtin(): Command {
  return new Command("builtin")
    .description("print a directory that is built in, or all of them")
    .argument("[name]", "datadir, libexecdir or confdir")
    .option("--json", "one JSON object: name to value")
    .addHelpText("after", "\nExample:\n  sluice config builtin datadir")
    .action((name: string | undefined, options: { readonly json?: boolean }) => {
      const { dataDir, libexecDir, confDir } = defaultDirectories(process.env);
      const values = new Map([
        ["datadir", dataDir],
        ["libexecdir", libexecDir],
        ["confdir", confDir],
      ]);
      if (name !== undefined) {
        const value = values.get(name);
        if (value === undefined)
          throw new ExitError(1, `no such builtin '${name}'; there are ${[...values.keys()].join(", ")}`);
        printLine(value);
      } else if (options.json) printJson(Object.fromEntries(values));
      else for (const [key, value] of values) printLine(`${key} ${value}`);
    });
}
