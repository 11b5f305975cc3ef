import { Command, InvalidArgumentError, Option } from "commander";
import { fields, type Handle, type JsonValue } from "../messages/index.js";
import { readLimited } from "../processes/index.js";
import { assignment, collect, positiveInteger } from "./arguments.js";
import { checkpointCommand } from "./kvs/checkpoint.js";
import { dumpCommand } from "./kvs/dump.js";
import { fsckCommand } from "./kvs/fsck.js";
import { restoreCommand } from "./kvs/restore.js";
import { unlinkCommand } from "./kvs/unlink.js";
import { printJson, printLine, UsageError } from "./terminal/output.js";
import { untilInterrupted, type UriOption, withInstance, withUri } from "./session.js";

export function command(): Command {
  return new Command("kvs")
    .addCommand(get())
    .addCommand(put())
    .addCommand(dir())
    .addCommand(watch())
    .addCommand(unlinkCommand())
    .addCommand(dumpCommand())
    .addCommand(restoreCommand())
    .addCommand(checkpointCommand())
    .addCommand(fsckCommand())
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
    .description("set keys in one commit")
    .argument(
      "<key=value...>",
      "the value as JSON, or else a string; - reads standard input",
      collect(operation),
    )
    .option("--json", "print {version}")
    .addHelpText("after", "\nExample:\n  sluice kvs put a=1 b='[1,2]' c=text")
    .action(async (ops: readonly Assignment[], options: UriOption & { readonly json?: boolean }) => {
      await withInstance(options, async (handle) => {
        const response = fields(await handle.rpc("kvs.commit", { ops: withInput(ops) }), {
          version: "number",
        });
        if (options.json) printJson(response);
      });
    });
}

/** `key=-` takes its value from standard input. `key="-"` is a text. */
function withInput(given: readonly Assignment[]): Operation[] {
  const ops = given.map(({ key, value }) => ({ key, value }));
  const reading = given.filter(({ readsInput }) => readsInput);
  if (reading.length === 0) return ops;
  if (reading.length > 1) throw new UsageError("only one key can read standard input");
  const value = jsonOrString(readLimited("-").toString("utf8"));
  return given.map((op) => ({ key: op.key, value: op.readsInput ? value : op.value }));
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

interface WatchOptions extends UriOption {
  readonly count?: number;
  readonly json?: boolean;
}

function watch(): Command {
  return withUri(new Command("watch"))
    .description(
      "print the value of a key as JSON, also after each change; an empty line means that the key has no value",
    )
    .argument("<key>")
    .addOption(new Option("-c, --count <n>", "stop after this many values").argParser(positiveInteger))
    .option(
      "--json",
      "one JSON object for each change: {version, value}, without value if the key is missing",
    )
    .addHelpText("after", "\nExample:\n  sluice kvs watch -c 1 site.racks")
    .action(async (key: string, options: WatchOptions) => {
      await withInstance(options, (handle) =>
        untilInterrupted((signal) => printChanges(handle, key, options, signal)),
      );
    });
}

async function printChanges(
  handle: Handle,
  key: string,
  { count = Infinity, json }: WatchOptions,
  signal: AbortSignal,
): Promise<void> {
  let left = count;
  for await (const change of handle.rpcStream("kvs-watch.watch", { key }, { signal })) {
    const { version, value } = fields(change, { version: "integer", value: "json?" });
    if (json) printJson({ version, ...(value !== undefined && { value }) });
    else printLine(value === undefined ? "" : JSON.stringify(value));
    left -= 1;
    if (left === 0) return;
  }
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

/** An argument of `put`. */
interface Assignment extends Operation {
  readonly readsInput: boolean;
}

function operation(text: string): Assignment {
  const [key, value] = assignment(text);
  return { key, value: jsonOrString(value), readsInput: value === "-" };
}

function jsonOrString(given: string): JsonValue {
  if (given === "") throw new InvalidArgumentError("a key needs a value: KEY=VALUE.");
  try {
    return JSON.parse(given) as JsonValue;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return given;
  }
}
