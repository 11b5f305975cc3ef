import { Command } from "commander";
import { type JsonObject, type ModuleInfo, moduleInfo } from "../../broker/index.js";
import { fields } from "../../messages/index.js";
import { withInsecure } from "../insecure.js";
import { printJson, printLine } from "../terminal/output.js";
import { instanceUri, withConnection, withUri } from "../session.js";
import { SHIPPED_MODULES } from "../version.js";

interface InfoOptions {
  readonly exec?: boolean;
  readonly loader?: string;
  readonly json?: boolean;
  readonly insecure?: boolean;
  readonly uri?: string;
}

export function infoCommand(): Command {
  return withUri(withInsecure(new Command("info")))
    .description("describe a module without starting it")
    .argument("<path|name>", "a file, or a name looked up on the module path")
    .option("--exec", "as run in a process of its own")
    .option("--loader <name>", "as run by this loader")
    .option(
      "--json",
      "one JSON object: type, name, path, services, digest, size, api, kind, version, description",
    )
    .addHelpText("after", "\nExample:\n  sluice module info kvs")
    .action(async (path: string, options: InfoOptions) => {
      const { exec, loader, insecure, json } = options;
      const modulePath = [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":");
      const config = await instanceConfig(options);
      const info = await moduleInfo(path, modulePath, { exec, loader, insecure, config });
      if (json) printJson(info);
      else Object.entries(info).forEach(printRow);
    });
}

/** Of the instance, if there is one: it may have loaders of its own. */
async function instanceConfig(options: InfoOptions): Promise<JsonObject | undefined> {
  const uri = instanceUri(options);
  if (uri === undefined) return undefined;
  return withConnection(uri, async (handle) => {
    return fields(await handle.rpc("config.get", {}), { value: "object" }).value;
  });
}

function printRow([key, value]: readonly [string, ModuleInfo[keyof ModuleInfo]]): void {
  printLine(`${key.padEnd(11)} ${cell(value)}`);
}

function cell(value: ModuleInfo[keyof ModuleInfo]): string {
  if (value === null) return "-";
  return typeof value === "object" ? value.join(",") : String(value);
}
