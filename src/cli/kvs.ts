import { Command, InvalidArgumentError } from "commander";
import { fields, type Handle, type JsonValue } from "../messages/index.js";
import { assignment, collect } from "./arguments.js";
import { printJson, printLine } from "./output.js";
import { withInstance, withUri } from "./session.js";

interface UriOption {
  readonly uri?: string;
}

export function command(): Command {
  return new Command("kvs")
    .addCommand(get())
    .addCommand(put())
    .addCommand(dir())
    .addHelpText(
      "after",
      "\nExample:\n  sluice kvs put site.name='\"north\"' site.racks=4\n  sluice kvs dir site",
    );
}

function get(): Command {
  return withUri(new Command("get"))
    .description("print the value of each key as JSON")
    .argument("<key...>")
    .option("-r, --raw", "print strings without quotes")
    .addHelpText("after", "\nExample:\n  sluice kvs get site.racks")
    .action(async (keys: readonly string[], options: UriOption & { readonly raw?: boolean }) => {
      await withInstance(options, async (handle) => {
        for (const key of keys) {
          const { value } = fields(await handle.rpc("kvs.get", { key }), { value: "json" });
          if (options.raw && typeof value === "string") printLine(value);
          else printJson(value);
        }
      });
    });
}

function put(): Command {
  return withUri(new Command("put"))
    .description("set keys, all in one commit")
    .argument("<key=value...>", "the value as JSON, or else a string", collect(operation))
    .option("--json", "print {version}")
    .addHelpText("after", "\nExample:\n  sluice kvs put a=1 b='[1,2]' c=text")
    .action(async (ops: readonly Operation[], options: UriOption & { readonly json?: boolean }) => {
      await withInstance(options, async (handle) => {
        const response = fields(await handle.rpc("kvs.commit", { ops: [...ops] }), { version: "number" });
        if (options.json) printJson(response);
      });
    });
}

function dir(): Command {
  return withUri(new Command("dir"))
    .description("list the keys below a key, directories with a dot at their end")
    .argument("[key]", "default: the root")
    .option("-R, --recursive", "all keys below, in full")
    .option("--json", "an array of {name, dir}")
    .addHelpText("after", "\nExample:\n  sluice kvs dir -R site")
    .action(
      async (
        key: string | undefined,
        options: UriOption & { readonly recursive?: boolean; readonly json?: boolean },
      ) => {
        await withInstance(options, async (handle) => {
          const entries = await list(handle, key ?? "", options.recursive === true);
          if (options.json) printJson(entries);
          else for (const entry of entries) printLine(entry.dir ? `${entry.name}.` : entry.name);
        });
      },
    );
}

interface Entry {
  readonly name: string;
  readonly dir: boolean;
}

async function list(handle: Handle, key: string, recursive: boolean): Promise<Entry[]> {
  if (!recursive) return readDirectory(handle, key);
  const found: Entry[] = [];
  const open = [key];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const below: string[] = [];
    for (const entry of await readDirectory(handle, at)) {
      const name = at === "" ? entry.name : `${at}.${entry.name}`;
      if (entry.dir) below.push(name);
      else found.push({ name, dir: false });
    }
    open.push(...below.reverse());
  }
  return found;
}

async function readDirectory(handle: Handle, key: string): Promise<Entry[]> {
  const response = await handle.rpc("kvs.dir", key === "" ? {} : { key });
  return fields(response, { entries: "array" }).entries.map((entry) =>
    fields(entry, { name: "string", dir: "boolean" }),
  );
}

type Operation = { readonly key: string; readonly value: JsonValue };

function operation(text: string): Operation {
  const [key, value] = assignment(text);
  return { key, value: jsonOrString(value) };
}

function jsonOrString(text: string): JsonValue {
  if (text === "") throw new InvalidArgumentError("a key wants a value: KEY=VALUE.");
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return text;
  }
}
