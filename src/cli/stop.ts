import { realpathSync } from "node:fs";
import { Command } from "commander";
import { systemMessage } from "../errors/index.js";
import type { RegisteredInstance } from "../broker/life/instance-register.js";
import { fields, type Handle } from "../messages/index.js";
import { instanceUri, namesOf, notOne, type UriOption, withUri } from "./session.js";
import { ExitError, say, UsageError } from "./terminal/output.js";

interface StopOptions extends UriOption {
  readonly file?: string;
}

export function command(): Command {
  return withUri(new Command("stop"))
    .argument(
      "[instance]",
      "its first file, pid, name or directory (default: the instance of SLUICE_URI, else the only one)",
    )
    .option("-f, --file <file>", "the instance that 'sluice start -f' has started from this file")
    .addHelpText(
      "after",
      "\nShuts the instance down cleanly, and waits until it has ended.\n\nExample:\n  sluice stop -f stack.toml",
    )
    .action(stop);
}

async function stop(named: string | undefined, options: StopOptions): Promise<void> {
  const given = [named, options.file, options.uri].filter((one) => one !== undefined);
  if (given.length > 1) throw new UsageError("name the instance once: as an argument, by -f, or by --uri");
  const instance = await theInstance(named, options);
  const { endOfProcess } = await import("../broker/life/instance-end.js");
  const asked = new AbortController();
  const asking = askToEnd(instance, asked.signal);
  await endOfProcess(instance);
  asked.abort();
  await asking;
}

/** @throws ExitError if no instance has this name, or more than one */
async function theInstance(named: string | undefined, options: StopOptions): Promise<RegisteredInstance> {
  const { findInstance, findOnlyInstance, instancesOf } = await import("../broker/life/find-instance.js");
  if (options.file !== undefined) {
    const [instance] = instancesOf(realPath(options.file), process.env);
    if (instance !== undefined) return instance;
    throw new ExitError(
      1,
      `no instance of ${options.file} runs; 'sluice instances' lists the running instances`,
    );
  }
  const text = named ?? instanceUri(options);
  const found = text === undefined ? findOnlyInstance(process.env) : findInstance(text, process.env);
  if (found.kind !== "found") {
    if (text !== undefined) throw notOne(text, found);
    if (found.kind === "missing") throw new ExitError(1, "no instance of this user runs");
    throw new ExitError(1, `${found.instances.length} instances run: ${namesOf(found.instances)}; name one`);
  }
  if (found.instance !== undefined) return found.instance;
  throw new ExitError(
    1,
    `${found.uri}: not an instance of 'sluice start'; try: sluice shutdown --uri ${found.uri}`,
  );
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch (error) {
    throw new ExitError(1, `${file}: ${systemMessage(error)}`);
  }
}

/** Requests the orderly shutdown, and prints the warnings of the instance until it ends. */
async function askToEnd({ uri, pid }: RegisteredInstance, signal: AbortSignal): Promise<void> {
  const { connect } = await import("../messages/index.js");
  const { signalProcess } = await import("../processes/index.js");
  let handle: Handle;
  try {
    handle = await connect(uri);
  } catch {
    // The instance is starting, and has no socket yet.
    signalProcess(pid, "SIGTERM");
    return;
  }
  // Begins before the first message can arrive.
  const told = sayWarnings(handle, signal);
  try {
    await handle.rpc("broker.shutdown", undefined, { rank: 0, signal });
  } catch {
    if (!signal.aborted) signalProcess(pid, "SIGTERM");
  }
  await told;
  await handle.close();
}

async function sayWarnings(handle: Handle, signal: AbortSignal): Promise<void> {
  try {
    for await (const entry of handle.rpcStream("log.dmesg", { follow: true, new: true }, { signal })) {
      const { level, name, text } = fields(entry, { level: "string", name: "string", text: "string" });
      if (level === "warning" || level === "err") say(`${name}.${level}: ${text}`);
    }
  } catch {
    // The instance has ended, or is about to end.
  }
}
